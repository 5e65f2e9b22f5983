"""What kubectl shows of a release, and what kind of thing each object in there is. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

_HASH = "pod-template-hash"


@dataclass(frozen=True)
class Trouble:
    """One thing that keeps pods from running.

    Attributes:
        words: A sentence or two.
        final: Waiting does not help.
    """

    words: str
    final: bool = False


@dataclass(frozen=True)
class View:
    """What kubectl shows of a release.

    Attributes:
        pods: Its pods.
        deployments: Its Deployments.
        claims: Its PersistentVolumeClaims.
        events: The namespace's events.
        replica_sets: Its ReplicaSets, one for each way in which pods were made.
    """

    pods: Sequence[Object]
    deployments: Sequence[Object]
    claims: Sequence[Object]
    events: Sequence[Object]
    replica_sets: Sequence[Object] = ()


def role_of(thing: Object) -> str:
    """What it is part of: `scheduler` or `worker`."""
    return str(thing["metadata"].get("labels", {}).get("app.kubernetes.io/component", "pod"))


def is_leaving(view: View) -> bool:
    """Whether old pods finish what they run, and hold their room until then."""
    return any("deletionTimestamp" in pod["metadata"] for pod in view.pods)


def is_old(pod: Object, view: View) -> bool:
    """Whether a pod was made as its Deployment does not want it any more: what is wrong with it is mended, perhaps."""
    for deployment in view.deployments:
        if role_of(deployment) != role_of(pod):
            continue
        if not is_seen(deployment):
            return True  # its controller has not looked at the latest change yet
        current = [
            one["metadata"].get("labels", {}).get(_HASH)
            for one in view.replica_sets
            if role_of(one) == role_of(pod) and _revision(one) == _revision(deployment) != ""
        ]
        return bool(current) and pod["metadata"].get("labels", {}).get(_HASH) not in current
    return False


def is_seen(deployment: Object) -> bool:
    """Whether a Deployment's controller has looked at its latest change."""
    status = deployment.get("status", {})
    return int(status.get("observedGeneration", 0)) >= int(deployment["metadata"].get("generation", 0))


def _revision(thing: Object) -> str:
    return str(thing["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", ""))
