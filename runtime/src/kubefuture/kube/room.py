"""Whether a worker fits on any node that a cluster has now. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..project.values import Values
from .quantities import cpus, quantity, size
from .refusals import KEYS

_GPU = "nvidia.com/gpu"


def lacking(nodes: Iterable[Mapping[str, Any]], wanted: Values) -> str:
    """What keeps a worker from every node, however empty they are, as a sentence; empty if one can take it.

    Args:
        nodes: As kubectl prints them.
        wanted: The project's values.
    """
    workers = wanted.data["workers"]
    selector: Mapping[str, str] = workers["node_selector"]
    there = list(nodes)
    chosen = [one for one in there if selector.items() <= one["metadata"].get("labels", {}).items()]
    if there and not chosen:
        return f"No node has the labels of workers.node_selector in values.yaml{_known(there, selector)}."
    asked = {"cpu": float(workers["cpus"]), "memory": float(wanted.memory), _GPU: float(workers["gpu"])}
    if not chosen or any(all(_has(one, what) >= much for what, much in asked.items()) for one in chosen):
        return ""
    for what, much in asked.items():
        most = max(_has(one, what) for one in chosen)
        if most < much:
            largest = f"the largest node has {_shown(what, most)}"
            return f"A worker gets {_shown(what, much)}, and {largest}: lower {KEYS[what]}."
    return "No node has as many CPUs and as much memory and as many GPUs as a worker gets at once: lower one of them."


def _has(node: Mapping[str, Any], what: str) -> float:
    return quantity(node.get("status", {}).get("allocatable", {}).get(what, "0"))


def _shown(what: str, much: float) -> str:
    if what == "memory":
        return f"{size(much)} of memory"
    return cpus(much) if what == "cpu" else f"{much:.0f} GPU{'' if much == 1 else 's'}"


def _known(nodes: Iterable[Mapping[str, Any]], selector: Mapping[str, str]) -> str:
    """What nodes have instead, of the labels that are asked for."""
    found = [
        f"{name}={value}"
        for name in selector
        for value in sorted({one["metadata"].get("labels", {}).get(name) for one in nodes} - {None})
    ]
    return f"; they have {', '.join(found)}" if found else ""
