"""What a project's cluster is called, and where its kubeconfig is: in the project, never the user's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...project.folder import Project

NAME = "kind"
"""The provider's name."""

_MOST = 49
"""Letters of a cluster's name at most: kind appends `-control-plane` to it, and a host's name has at most 63."""


def cluster_name(slug: str) -> str:
    """The cluster's name; another slug never has the same one.

    Args:
        slug: The project's.
    """
    name = f"kubefuture-{slug}"
    if len(name) <= _MOST:
        return name
    mark = hashlib.sha256(slug.encode()).hexdigest()[:6]
    return f"{name[: _MOST - 7].rstrip('-')}-{mark}"


def context_of(cluster: str) -> str:
    """What kind calls a cluster's context."""
    return f"kind-{cluster}"


def state_folder(project: Project) -> Path:
    """Where the provider keeps what it needs."""
    return project.state / NAME


def kubeconfig_file(project: Project) -> Path:
    """The cluster's kubeconfig, which opens all of it."""
    return state_folder(project) / "kubeconfig"
