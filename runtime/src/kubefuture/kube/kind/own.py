"""What is recorded of a cluster that was made, so that it is told from any other of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...project.values import Values
from ..record import ClusterRecord
from .containers import Node


@dataclass(frozen=True)
class Own:
    """One cluster.

    Attributes:
        engine: Whose containers its nodes are: docker or podman. Empty if nothing was made yet.
        whole: It was made to the end.
        nodes: The ids of these containers.
        volumes: Their volumes, which outlive a container that is removed by hand.
        shape: What of values.yaml it was made from.
    """

    engine: str = ""
    whole: bool = False
    nodes: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    shape: str = ""

    @classmethod
    def of(cls, record: ClusterRecord) -> Own:
        """What a record says."""
        told = record.own
        return cls(
            engine=str(told.get("engine", "")),
            whole=told.get("whole") is True,
            nodes=tuple(map(str, told.get("nodes", ()))),
            volumes=tuple(map(str, told.get("volumes", ()))),
            shape=str(told.get("shape", "")),
        )

    def content(self) -> Mapping[str, Any]:
        """For the record."""
        return asdict(self) | {"nodes": list(self.nodes), "volumes": list(self.volumes)}

    def made(self, nodes: Sequence[Node], shape: str) -> Own:
        """The same, made to the end; volumes that an earlier one had stay known.

        Args:
            nodes: Its nodes.
            shape: See `Own`.
        """
        volumes = tuple(dict.fromkeys([*self.volumes, *(name for node in nodes for name in node.volumes)]))
        return replace(self, whole=True, nodes=tuple(node.id for node in nodes), volumes=volumes, shape=shape)


def shape_of(wanted: Values) -> str:
    """What of values.yaml a cluster is made from and cannot be changed later."""
    keys = wanted.data["kind"]
    return f"nodes={keys['nodes']} node_image={keys['node_image']}"
