"""The page that a slot shares with its supervisor: it says on which element of which lease the slot is (R14)."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Container
from mmap import mmap
from typing import IO, Protocol

from ..protocol.messages import Lease

PLACE = struct.Struct("=Qq")
"""What it begins with: the lease that runs, 0 for none, and the element's index. The slot writes it."""


class Page(Protocol):
    """A page, seen from the supervisor."""

    def fileno(self) -> int:
        """The descriptor for the slot's process."""

    def place(self) -> tuple[int, int]:
        """The lease that runs, 0 for none, and the element's index."""

    def bound(self, session: str) -> None:
        """The slot works for this session from now on."""

    def leased(self, lease: Lease, held: Container[int]) -> None:
        """The slot is about to get a lease; the numbers of those that it has by then are `held`."""

    def started(self) -> None:
        """The slot's process has its own descriptor."""

    def release(self) -> None:
        """The slot is dead, and nothing is asked of the page any more."""


class MemoryPage:
    """One without a name: it outlives its slot, and ends with the supervisor."""

    def __init__(self) -> None:
        self._file: IO[bytes]
        if hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("kubefuture-page"), "r+b")
        else:
            self._file = tempfile.TemporaryFile()
        self._file.write(PLACE.pack(0, -1))
        self._file.flush()
        self._memory = mmap(self._file.fileno(), PLACE.size)

    def fileno(self) -> int:
        """See Page."""
        return self._file.fileno()

    def place(self) -> tuple[int, int]:
        """See Page."""
        lease, index = PLACE.unpack_from(self._memory)
        return lease, index

    def bound(self, session: str) -> None:
        """Who would read it?"""

    def leased(self, lease: Lease, held: Container[int]) -> None:
        """Who would read it?"""

    def started(self) -> None:
        """See Page."""
        self._file.close()

    def release(self) -> None:
        """See Page."""
        self._file.close()
        self._memory.close()
