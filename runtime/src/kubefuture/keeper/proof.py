"""Proves that nothing of a project is left on this machine, or names what is."""

from __future__ import annotations

import os
from pathlib import Path

from ..project.proof import Proof
from . import processes
from .places import Places


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
            proof.left += [f"socket {path}" for path in sockets_in(folder)]
        except OSError as error:
            proof.unchecked.append(f"{folder} cannot be read ({error.strerror})")
    files = files_of(places)
    proof.looked.append(", ".join(str(path.relative_to(places.project.folder)) for path in files))
    for path in files:
        try:
            if os.path.lexists(path):
                proof.left.append(f"file {path}")
        except OSError as error:
            proof.unchecked.append(f"{path} cannot be read ({error.strerror})")
    return proof


def files_of(places: Places) -> list[Path]:
    """All files that there are while a keeper lives."""
    return [places.life, *places.transient(), places.in_flight]


def sockets_in(folder: Path) -> list[Path]:
    """What is in a folder for sockets, if there is one."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
