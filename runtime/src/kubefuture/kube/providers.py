"""Providers: what differs from one way to a cluster to another. The rest of `kube` is the same for all.

values.yaml ──> provider ──> which cluster, made first where it is the project's own
                    ├──────> how an image gets to its nodes
                    └──────> what is deleted with it, and what may be left of it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..project.changes import Change, Say
from ..project.checks import Finding
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.proof import Proof
from ..project.values import Values
from .existing import Existing
from .image import Recipe
from .kind.provider import Kind
from .place import Place, Presence
from .record import ClusterRecord


class Provider(Protocol):
    """One of them."""

    def place(self, project: Project, wanted: Values) -> Place:
        """Where values.yaml wants the project."""

    def check(self, project: Project, wanted: Values) -> Iterator[Finding]:
        """Everything worth knowing before anything is made; the first obstacle may end it."""

    def make(self, project: Project, wanted: Values, record: ClusterRecord, say: Say) -> ClusterRecord:
        """Makes the cluster, or starts it, where it is the project's own.

        Args:
            project: The project.
            wanted: Its values.
            record: What is recorded already.
            say: Takes what was done.

        Returns:
            What is recorded then.

        Raises:
            ProjectError: It cannot be made, or is somebody else's.
        """

    def is_shared(self, image: str) -> bool:
        """Whether an image that this project has not made is there for others too, and so stays when it ends.

        Raises:
            ProjectError: It cannot be told.
        """

    def deliver(self, project: Project, record: ClusterRecord, made_of: Recipe) -> str:
        """Sees that the cluster has the image, and returns what was done for it; empty if it had it.

        Raises:
            ProjectError: It cannot be built, or not be brought there.
        """

    def end(self, project: Project, record: ClusterRecord, say: Say, seconds: float | None = None) -> None:
        """Deletes everything that was recorded. What is gone already is fine.

        Args:
            project: The project.
            record: What was put where.
            say: Takes what was done.
            seconds: How long volumes may take to go, where they are not the project's own; None for a usual time.

        Raises:
            ProjectError: Something cannot be deleted.
        """

    def look(self, project: Project, record: ClusterRecord) -> Proof:
        """Looks at everything that could be left."""

    def find(self, project: Project, name: str) -> ClusterRecord:
        """The record of what another checkout of a project has made; nothing is written.

        Raises:
            ProjectError: There is nothing of it.
        """

    def adopt(self, project: Project, name: str) -> ClusterRecord:
        """Finds and records it, so that it can be ended from here.

        Raises:
            ProjectError: There is nothing of it.
        """

    def presence(self, project: Project, record: ClusterRecord | None) -> Presence:
        """Whether there is a cluster, and whether it can be asked what is in it."""

    def would_make(
        self, project: Project, wanted: Values, record: ClusterRecord | None
    ) -> Iterator[Change | str]:
        """What `make` would change, as things are now. Only looks.

        Raises:
            ProjectError: It could not be made.
        """

    def would_deliver(self, project: Project, record: ClusterRecord | None, image: str) -> str:
        """What `deliver` would do, as a clause; empty for nothing. Only looks.

        Args:
            project: The project.
            record: What is recorded already.
            image: Its name; empty if that is not known before its packages are.
        """

    def would_end(self, project: Project, record: ClusterRecord) -> Iterator[Change | str]:
        """What `end` would delete. Only looks."""

    def nothing_made(self, record: ClusterRecord) -> bool:
        """Whether nothing was made yet of what was recorded, as far as that can be told."""


_PROVIDERS: dict[str, Provider] = {"existing": Existing(), "kind": Kind()}


def provider_of(name: str) -> Provider:
    """The provider of a name.

    Raises:
        ProjectError: There is none of that name on Kubernetes.
    """
    if name not in _PROVIDERS:
        raise ProjectError(f"There is no provider {name} on Kubernetes; there are: {', '.join(_PROVIDERS)}.")
    return _PROVIDERS[name]
