"""Which cluster, which namespace in it, and which release in that."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Literal

from ..core.connection import Connection
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.values import Values

LABEL = "kubefuture-project"
"""The label that everything of a project bears, the namespace too; its value is the project's slug."""

_LOADED = ("kind",)
"""Providers whose nodes are given images, and ask no registry for them."""

Presence = Literal["up", "silent", "absent"]
"""A cluster that can be asked; one that is there, but cannot; none."""
ENGINE_LABEL = "kubefuture-engine"
"""The label that says whose scheduler a release has."""

_SLUG = 40
"""Letters of a slug at most, so that names made of it stay below Helm's 53 and Kubernetes' 63."""


@dataclass(frozen=True)
class Place:
    """Where on Kubernetes a project is.

    Attributes:
        provider: Which one it is reached by.
        kubeconfig: The files that describe clusters, with colons between, as in KUBECONFIG.
        context: Which cluster and login of those in there. Never the current one unasked.
        namespace: The project's own namespace.
        release: Helm's name for what is installed there.
        slug: The project's name in letters, digits and hyphens.
    """

    provider: str
    kubeconfig: str
    context: str
    namespace: str
    release: str
    slug: str

    def is_elsewhere(self, other: Place) -> bool:
        """Whether the other one is another cluster, namespace or release; a kubeconfig may move."""
        return (self.context, self.namespace, self.release) != (other.context, other.namespace, other.release)

    @property
    def secret(self) -> str:
        """The name of the secret with token, certificate and key."""
        return f"{self.release}-auth"

    @property
    def service(self) -> str:
        """The name of the scheduler's service."""
        return f"{self.release}-scheduler"

    @property
    def workers(self) -> str:
        """The name of the workers' Deployment."""
        return f"{self.release}-worker"

    @property
    def pull_policy(self) -> str:
        """When a node pulls the workers' image: never, where `make up` puts it onto the nodes."""
        return "Never" if self.provider in _LOADED else "IfNotPresent"

    @property
    def selector(self) -> str:
        """Selects what the chart has made."""
        return f"app.kubernetes.io/name=kubefuture,app.kubernetes.io/instance={self.release}"


def place_in(project: Project, values: Values, kubeconfig: str, context: str) -> Place:
    """Where values.yaml wants the project in a cluster; which one that is, its provider knows.

    Args:
        project: The project.
        values: Its values; the provider is one of Kubernetes'.
        kubeconfig: See `Place`.
        context: See `Place`.
    """
    slug = slug_of(project.name)
    return Place(
        provider=values.provider,
        kubeconfig=kubeconfig,
        context=context,
        namespace=str(values.data["cluster"]["namespace"]) or f"kubefuture-{slug}",
        release=slug,
        slug=slug,
    )


def place_of_connection(connection: Connection) -> Place | None:
    """Where the release is that a connection leads to; None for one that leads elsewhere."""
    route = connection.route
    if route is None:
        return None
    release = route.service.removesuffix("-scheduler")
    return Place(connection.provider, route.kubeconfig, route.context, route.namespace, release, release)


def kubeconfig() -> str:
    """The files that describe clusters, as absolute paths."""
    named = os.environ.get("KUBECONFIG", "")
    paths = [part for part in named.split(os.pathsep) if part] or [os.path.expanduser("~/.kube/config")]
    return os.pathsep.join(os.path.abspath(path) for path in paths)


def slug_of(name: str) -> str:
    """A project's name as Kubernetes allows names; another name never becomes the same one.

    Args:
        name: Any text.

    Raises:
        ProjectError: It is empty.
    """
    if not name:
        raise ProjectError("The project's folder has no name.")
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name and len(plain) <= _SLUG and plain[0].isalpha():
        return plain
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    start = plain if plain[:1].isalpha() else f"p-{plain}"
    return f"{start[: _SLUG - 7].strip('-')}-{mark}"
