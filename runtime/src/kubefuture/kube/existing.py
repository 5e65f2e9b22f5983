"""The provider `existing`: a cluster that is there already, and a registry that it pulls images from."""

from __future__ import annotations

from collections.abc import Iterator

from ..project import values
from ..project.changes import Change, Say
from ..project.checks import Finding
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.proof import Proof
from ..project.values import Values
from . import adopting, ending, foreseen_end, image, leftovers, namespace, owner, registry
from .checks import check_cluster
from .place import Place, Presence, kubeconfig, place_in
from .record import ClusterRecord, keep

_NAME = "existing"


class Existing:
    """See `Provider`."""

    def place(self, project: Project, wanted: Values) -> Place:
        """The context that values.yaml names, in the user's own kubeconfig."""
        return place_in(project, wanted, kubeconfig(), str(wanted.data["cluster"]["context"]))

    def check(self, project: Project, wanted: Values) -> Iterator[Finding]:
        """Tools, registry, and what the login may do in the cluster."""
        return check_cluster(project, wanted, self.place(project, wanted))

    def make(self, project: Project, wanted: Values, record: ClusterRecord, say: Say) -> ClusterRecord:
        """Nothing: the cluster is there."""
        return record

    def is_shared(self, image: str) -> bool:
        """A registry may have it from a colleague. If that cannot be told, it is pushed, and ours to delete."""
        try:
            return bool(registry.digest_of(image))
        except ProjectError:
            return False

    def deliver(self, project: Project, record: ClusterRecord, made_of: image.Recipe) -> str:
        """Pushes the image to the registry, unless that has it."""
        built = image.ensure(project, made_of)
        return f"The image {made_of.name} is built and pushed." if built else ""

    def end(self, project: Project, record: ClusterRecord, say: Say, seconds: float | None = None) -> None:
        """The release, the namespace if it was made, and the images in the registry."""
        found = keep(project, owner.reachable(record))  # so that what is left is looked for there, too
        ending.end(project, found, say, seconds or ending.GONE_SECONDS)

    def look(self, project: Project, record: ClusterRecord) -> Proof:
        """In the cluster and in the registry."""
        return leftovers.look(record)

    def find(self, project: Project, name: str) -> ClusterRecord:
        """The namespace that bears the project's label, or the one of values.yaml, in the cluster that it names."""
        wanted = values.load(project, keep=False)
        if wanted.provider != _NAME:
            raise ProjectError(
                f"values.yaml here is about {wanted.provider}. Write `provider: {_NAME}` and the cluster's keys "
                "into it."
            )
        named = bool(wanted.data["cluster"]["namespace"])
        return adopting.find(project, name, self.place(project, wanted), named=named)

    def adopt(self, project: Project, name: str) -> ClusterRecord:
        """Just that."""
        return keep(project, self.find(project, name))

    def presence(self, project: Project, record: ClusterRecord | None) -> Presence:
        """It is somebody else's, and has to be there."""
        return "up"

    def would_make(
        self, project: Project, wanted: Values, record: ClusterRecord | None
    ) -> Iterator[Change | str]:
        """Nothing: the cluster is there."""
        return iter(())

    def would_deliver(self, project: Project, record: ClusterRecord | None, image: str) -> str:
        """Build and push the image, unless the registry has it."""
        if not image:
            return "would build an image with the new packages, and push it"
        try:
            return "" if registry.digest_of(image) else f"would build the image {image}, and push it"
        except ProjectError:
            return f"would build the image {image}, and push it, unless its registry has it, which cannot be told"

    def would_end(self, project: Project, record: ClusterRecord) -> Iterator[Change | str]:
        """The release, the namespace if it was made, and the images in the registry."""
        return foreseen_end.changes(project, owner.reachable(record))

    def nothing_made(self, record: ClusterRecord) -> bool:
        """No namespace, and no image."""
        if record.uid or record.images:
            return False
        try:
            there = namespace.look_at(record.place)
        except ProjectError:
            return False
        return there is None or not record.is_of(there)
