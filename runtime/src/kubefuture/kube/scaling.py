"""How many workers a release has, where its scheduler has no say in it: a Deployment's replicas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .commands import kubectl, kubectl_json
from .place import Place


def set_replicas(place: Place, count: int) -> bool:
    """Makes it so many; those that go finish what they run.

    Args:
        place: Which release.
        count: How many.

    Returns:
        Whether it was another number before.

    Raises:
        KubeError: The cluster does not do it.
    """
    found = kubectl_json(place, "get", "deployment", place.workers)
    if found["spec"].get("replicas") == count:
        return False
    kubectl(place, "scale", f"deployment/{place.workers}", f"--replicas={count}")
    return True


def without_room(workers: Mapping[str, Any], count: int) -> int | None:
    """To how many workers to go back if more were asked for than are wanted, and these did not come; None if they did.

    Nobody is to wait for them. The cluster takes first those that do not run, so no work is interrupted.

    Args:
        workers: Their Deployment.
        count: How many there are to be.
    """
    asked, ready = int(workers["spec"].get("replicas", 1)), int(workers["status"].get("readyReplicas", 0))
    return None if asked <= max(count, ready) else max(count, ready)
