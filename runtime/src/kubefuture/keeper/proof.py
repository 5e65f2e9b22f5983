"""Proves that nothing of a project is left on this machine, or names what is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import processes
from .places import Places


@dataclass
class Proof:
    """What was looked at, and what was found.

    Attributes:
        looked: What was looked at, in words.
        left: What is left, in words.
        unchecked: What could not be looked at, and why.
    """

    looked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The proof as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """The proof in such a text."""
        return cls(**json.loads(text))


def look(places: Places) -> Proof:
    """Looks at everything that a keeper can leave behind."""
    proof = Proof()
    proof.looked.append(f"processes that belong to {' or '.join(places.folders)}")
    try:
        proof.left += map(str, processes.of_project(places.folders, places.state))
    except processes.CannotLook as why:
        proof.unchecked.append(str(why))
    proof.looked.append(f"sockets in {' and '.join(map(str, places.socket_folders))}")
    for folder in places.socket_folders:
        try:
            proof.left += [f"socket {path}" for path in _sockets(folder)]
        except OSError as error:
            proof.unchecked.append(f"{folder} cannot be read ({error.strerror})")
    files = [places.life, *places.transient(), places.in_flight]
    proof.looked.append(", ".join(str(path.relative_to(places.project.folder)) for path in files))
    for path in files:
        try:
            if os.path.lexists(path):
                proof.left.append(f"file {path}")
        except OSError as error:
            proof.unchecked.append(f"{path} cannot be read ({error.strerror})")
    return proof


def _sockets(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
