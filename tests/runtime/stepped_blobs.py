"""Captured data on disks in memory, written part after part, and only when that is said (R26, R29)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubefuture.core import blob_arrival, blob_folder, blob_lane, blobs
from kubefuture.core.blob_arrival import Arrival
from kubefuture.core.blob_folder import BlobFolder

from tests.runtime.clock import Process
from tests.runtime.stepped import MEMORY

PART, WINDOW, SIZE = 100, 400, 1050
"""Bytes of a message, of what is on the way, and of a blob: it is asked for in several steps."""


class SteppedArrival(Arrival):
    """An arrival without a thread."""

    def _start(self) -> None:
        assert Disk.present is not None
        self._process = Process.current
        self._running: Iterator[None] | None = None
        Disk.present.writing.append(self)

    def step(self) -> bool:
        """The next part is written. Returns whether there was any."""
        if not self._process.alive or (self._running is not None and self._parts.empty()):
            return False
        self._running = self._running or self._steps()
        with self._process.running():
            if next(self._running, self) is self:
                assert Disk.present is not None
                Disk.present.writing.remove(self)
        return True


class Disk:
    """Folders for captured data: the scheduler's, and one for each place where a worker is.

    Attributes:
        writing: What is on its way to them. What the dead were at stays, and so do their drafts.
    """

    present: Disk | None = None

    def __init__(self) -> None:
        if Disk.present is not None:
            Disk.present.close()
        Disk.present = self
        self.writing: list[SteppedArrival] = []
        self._users: list[tuple[Process, BlobFolder]] = []
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)

    def of(self, name: str) -> Path:
        """The folder of the scheduler, or of a place."""
        return Path(self._folder.name) / name

    def used_by(self, process: Process, user: Any) -> None:
        """A process has opened one of them."""
        self._users.append((process, user._folder))

    def files(self, name: str = "*") -> list[Path]:
        """What is there, whole or not."""
        return sorted(Path(self._folder.name).glob(f"{name}/*"))

    def write(self) -> bool:
        """Everything that arrives is written a step further. Returns whether there was anything."""
        return sum(arrival.step() for arrival in list(self.writing)) > 0

    def damage(self, name: str) -> None:
        """All that is in a folder is not what it was."""
        for file in self.files(name):
            file.write_bytes(bytes(reversed(file.read_bytes())))

    def empty(self, name: str) -> None:
        """Nothing is left in a folder."""
        for file in self.files(name):
            file.unlink()

    def sweep(self) -> None:
        """Whoever is dead has no files open."""
        for process, folder in self._users:
            if not process.alive:
                _close(folder)
        self._users = [user for user in self._users if user[0].alive]

    def close(self) -> None:
        """Nobody needs it any more."""
        for _, folder in self._users:
            _close(folder)
        self.writing.clear()
        self._folder.cleanup()
        Disk.present = None


def captured(number: int) -> bytes:
    """Data that a function captures: other data for each number."""
    return hashlib.shake_128(str(number).encode()).digest(SIZE)


def use_stepped_blobs(monkeypatch: Any) -> None:
    """Blobs are short, arrive in small parts, and are written when that is said; nobody maps another's memory."""
    monkeypatch.setattr(blob_folder, "Arrival", SteppedArrival)
    monkeypatch.setattr(blob_arrival, "BLOB_WINDOW", WINDOW)
    monkeypatch.setattr(blob_arrival, "_ENOUGH", WINDOW // 4)
    monkeypatch.setattr(blob_lane, "BLOB_PART", PART)
    monkeypatch.setattr(blobs, "this_machine", lambda: "")


def _close(folder: BlobFolder) -> None:
    for digest in list(folder._handles):
        folder._close(digest)
