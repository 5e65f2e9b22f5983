"""The provider `kind`, put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...project.changes import Change, Say
from ...project.checks import Finding
from ...project.folder import Project
from ...project.proof import Proof
from ...project.values import Values
from ..image import Recipe
from ..place import Place, Presence, place_in
from ..record import ClusterRecord
from . import checks, cluster, ending, foreseen, images
from .names import NAME, cluster_name, context_of, kubeconfig_file
from .own import Own


class Kind:
    """See `Provider`."""

    def place(self, project: Project, wanted: Values) -> Place:
        """In the project's own cluster."""
        place = place_in(project, wanted, str(kubeconfig_file(project)), "")
        return replace(place, context=context_of(cluster_name(place.slug)))

    def check(self, project: Project, wanted: Values) -> Iterator[Finding]:
        """Tools, engine, memory, and what the kernel allows."""
        return checks.check(project, wanted, self.place(project, wanted))

    def make(self, project: Project, wanted: Values, record: ClusterRecord, say: Say) -> ClusterRecord:
        """Makes the cluster, or starts it."""
        return cluster.ensure(project, wanted, _here(project, record), say)

    def is_shared(self, image: str) -> bool:
        """Never: whose machine it is, theirs is the image."""
        return False

    def deliver(self, project: Project, record: ClusterRecord, made_of: Recipe) -> str:
        """Loads the image onto the nodes, unless they have it."""
        return images.deliver(project, record, made_of)

    def end(self, project: Project, record: ClusterRecord, say: Say, seconds: float | None = None) -> None:
        """The whole cluster, and the image that was built."""
        ending.end(project, record, _here(project, record).place, say)

    def look(self, project: Project, record: ClusterRecord) -> Proof:
        """At the engine's containers, volumes and images."""
        return ending.look(project, record)

    def find(self, project: Project, name: str) -> ClusterRecord:
        """The cluster that bears the project's name; values.yaml has no say in it."""

        def place(slug: str) -> Place:
            context, file = context_of(cluster_name(slug)), str(kubeconfig_file(project))
            return Place(NAME, file, context, f"kubefuture-{slug}", slug, slug)

        return ending.find(project, name, place)

    def adopt(self, project: Project, name: str) -> ClusterRecord:
        """Its kubeconfig is written, too."""
        return ending.adopt(project, self.find(project, name))

    def presence(self, project: Project, record: ClusterRecord | None) -> Presence:
        """It can be asked when all its nodes run."""
        return foreseen.presence(project, record)

    def would_make(
        self, project: Project, wanted: Values, record: ClusterRecord | None
    ) -> Iterator[Change | str]:
        """Make the cluster, or start it."""
        return foreseen.make(project, wanted, self.place(project, wanted), record)

    def would_deliver(self, project: Project, record: ClusterRecord | None, image: str) -> str:
        """Build the image, or load it onto nodes that lack it."""
        return foreseen.deliver(project, record, image)

    def would_end(self, project: Project, record: ClusterRecord) -> Iterator[Change | str]:
        """Delete the whole cluster, and the image."""
        return foreseen.end(project, record, _here(project, record).place)

    def nothing_made(self, record: ClusterRecord) -> bool:
        """Nothing was begun, or what was begun is removed again."""
        return not Own.of(record).engine


def _here(project: Project, record: ClusterRecord) -> ClusterRecord:
    """The record with the kubeconfig where it is now: a project's folder may have moved."""
    return replace(record, kubeconfig=str(kubeconfig_file(project)))
