"""The volumes that a release's claim has, or had before it was deleted."""

from __future__ import annotations

from typing import Any

from .commands import kubectl_json
from .place import Place


def claim_of(place: Place) -> str:
    """The name of the claim of a release, which is the scheduler's."""
    return f"{place.release}-scheduler"


def claimed(place: Place) -> list[Any]:
    """The volumes that are bound to it, or were.

    Raises:
        KubeError: The cluster does not say.
    """
    claim = place.namespace, claim_of(place)
    found = kubectl_json(place, "get", "persistentvolumes", namespaced=False)["items"]
    return [one for one in found if _claim(one) == claim]


def is_kept(volume: Any) -> bool:
    """Whether it stays when its claim is deleted."""
    return bool(volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete")


def _claim(volume: Any) -> tuple[Any, Any]:
    claim = volume["spec"].get("claimRef", {})
    return claim.get("namespace"), claim.get("name")
