"""For which kind of processor an image is made: that of the cluster's nodes, which need not be this machine's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..project.values import Values
from .commands import KubeError, kubectl_json
from .place import Place

USUAL = "linux/amd64"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Linux calls its processor, and what images do."""


def platform_of(wanted: Values, place: Place) -> tuple[str, bool]:
    """What the image is made for, as `linux/amd64`.

    Args:
        wanted: The project's values.
        place: Where it is installed.

    Returns:
        The platform, and whether it is known rather than the usual one.

    Raises:
        KubeError: The cluster does not answer.
    """
    chosen = str(wanted.data["cluster"]["platform"])
    if chosen:
        return chosen, True
    if wanted.provider == "kind":  # whose nodes are containers of this machine
        machine = os.uname().machine
        return f"linux/{_MACHINES.get(machine, machine)}", True
    try:
        nodes = kubectl_json(place, "get", "nodes", namespaced=False)["items"]
    except KubeError as error:
        if not error.is_forbidden:
            raise
        return USUAL, False  # many a login may see its own namespace alone
    found = of_nodes(nodes, wanted.data["workers"]["node_selector"])
    return found or USUAL, bool(found)


def of_nodes(nodes: Iterable[Mapping[str, Any]], selector: Mapping[str, str]) -> str:
    """The platform of a cluster's nodes, or an empty string for none.

    Where they differ, the same one is chosen every time, so that no image is built anew because nodes come and go:
    amd64 if it is among them.

    Args:
        nodes: As kubectl prints them.
        selector: The labels of those that take workers; if none has them now, all count.
    """
    linux = [one for one in nodes if _info(one).get("operatingSystem", "linux") == "linux"]
    chosen = [one for one in linux if selector.items() <= one["metadata"].get("labels", {}).items()]
    kinds = sorted({str(_info(one).get("architecture", "")) for one in chosen or linux} - {""})
    return f"linux/{kinds[0]}" if kinds else ""


def _info(node: Mapping[str, Any]) -> Mapping[str, Any]:
    info: Mapping[str, Any] = node.get("status", {}).get("nodeInfo", {})
    return info
