"""What a worker leaves behind when its container is killed as a whole, so that the next one can report it (R20).

    slot ──────── place ───────> page, a file in the state folder <─── session, leases ── supervisor
                                  │  all of them are killed at once
    the next supervisor <─ read ──┘ ── Predecessor ──> scheduler

A page is memory that is mapped from a file: what is written to it is the kernel's at once, whoever is killed, and
nothing is synced. So it survives the death of all processes, and not that of the kernel, which is as
well: a machine that went down is no fault of an element. The file is gone as soon as its slot's end is known.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Container
from contextlib import suppress
from mmap import mmap
from pathlib import Path

from ..core.identity import boot
from ..protocol.messages import Held, Lease, Struck
from .page import PLACE, MemoryPage, Page

_BYTES = 4096
_HEAD = struct.Struct("<8sI36s")
_MAGIC = b"kfpage01"
_SESSION = struct.Struct("<H126s")
_LEASE = struct.Struct("<Qqqqq")
_HEAD_AT = PLACE.size
_SESSION_AT = 64
_LEASES_AT = 256
_LEASES = 64
"""So many leases have room: more than a slot is ever given."""

_REASON = "killed together with its whole worker, as the kernel does when a container needs too much memory"


class KeptPage:
    """A page in the state folder.

    Args:
        path: The file, which is made.
        slot: The slot's number.
        kernel: Names the running kernel.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path, slot: int, kernel: bytes) -> None:
        self.path = path
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # All of it is written, so that a full disk is an error here and no signal later.
            content = PLACE.pack(0, -1) + _HEAD.pack(_MAGIC, slot, kernel)
            if os.write(handle, content.ljust(_BYTES, b"\0")) != _BYTES:
                raise OSError(f"{path} cannot be written")
            self._memory = mmap(handle, _BYTES)
        except BaseException:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        self._handle = handle
        self._ids = [0] * _LEASES
        self._next = 0

    def fileno(self) -> int:
        """See Page."""
        return self._handle

    def place(self) -> tuple[int, int]:
        """See Page."""
        lease, index = PLACE.unpack_from(self._memory)
        return lease, index

    def bound(self, session: str) -> None:
        """See Page."""
        name = session.encode()
        if len(name) <= 126:
            _SESSION.pack_into(self._memory, _SESSION_AT, len(name), name)

    def leased(self, lease: Lease, held: Container[int]) -> None:
        """See Page."""
        for _ in range(_LEASES):
            number, self._next = self._next, (self._next + 1) % _LEASES
            if self._ids[number] not in held:
                self._ids[number] = lease.id
                stop = lease.start + len(lease.payloads)
                place = _LEASES_AT + number * _LEASE.size
                try:
                    _LEASE.pack_into(
                        self._memory, place, lease.id, lease.call, lease.function, lease.start, stop
                    )
                except struct.error:
                    pass  # a number that only a client of another kind chooses
                return

    def started(self) -> None:
        """See Page."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def forget(self) -> None:
        """Nobody is to read it after us; the slot may go on."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def release(self) -> None:
        """See Page."""
        self.started()
        self.forget()
        self._memory.close()


class Remains:
    """The state folder of a worker.

    Args:
        folder: The folder, which may not exist yet; no other worker uses it at the same time.
        happened: Takes an event for the log.
    """

    def __init__(self, folder: Path, happened: Callable[..., None]) -> None:
        self._folder = folder
        self._happened = happened
        self._kernel = boot().encode()[:36]
        self._serial = itertools.count(1)
        self._pages: list[KeptPage] = []
        self._closed = False
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            self._happened("state-trouble", told=f"the folder for what is in flight cannot be made: {error}")

    def page(self, slot: int) -> Page:
        """A page for a fresh slot, without a file where none can be made."""
        self._pages = [page for page in self._pages if page.path.exists()]
        if not self._closed:
            path = self._folder / f"slot-{os.getpid()}-{next(self._serial)}"
            try:
                page = KeptPage(path, slot, self._kernel)
            except OSError as error:
                self._happened("state-trouble", slot=slot, told=f"what it runs cannot be noted: {error}")
            else:
                self._pages.append(page)
                return page
        return MemoryPage()

    def take_over(self) -> list[Struck]:
        """What the slots of the worker before were on, if that was killed. Asked once, before any page is made.

        A worker that ends as it should leaves nothing. So what is found was left by one that was killed,
        with its slots; unless the machine itself went down, their elements are to blame, or one of them.
        """
        found = []
        with suppress(OSError):
            for path in sorted(self._folder.glob("slot-*")):
                try:
                    struck = self._read(path.read_bytes())
                except (OSError, ValueError) as error:
                    self._happened("state-trouble", told=f"{path.name} is damaged and is ignored: {error}")
                else:
                    found += struck
                path.unlink(missing_ok=True)
        for one in found:
            self._happened("predecessor-killed", slot=one.slot, lease=one.lease.id, element=one.element)
        return found

    def clear(self) -> None:
        """An orderly end begins: nothing of it is to be held against an element."""
        self._closed = True
        for page in self._pages:
            page.forget()

    def _read(self, content: bytes) -> list[Struck]:
        if len(content) != _BYTES:
            raise ValueError(f"it has {len(content)} bytes instead of {_BYTES}")
        magic, slot, kernel = _HEAD.unpack_from(content, _HEAD_AT)
        if magic != _MAGIC:
            raise ValueError("it begins with something else")
        running, index = PLACE.unpack_from(content)
        if not running or kernel != self._kernel.ljust(36, b"\0"):
            return []
        length, name = _SESSION.unpack_from(content, _SESSION_AT)
        session = name[:length].decode()
        for number in range(_LEASES):
            lease, call, function, start, stop = _LEASE.unpack_from(
                content, _LEASES_AT + number * _LEASE.size
            )
            if lease == running:
                if not 0 <= start <= index < stop:
                    raise ValueError(f"lease {lease} has no element {index}")
                held = Held(lease, session, call, function, start, stop)
                return [Struck(slot, held, index, _REASON)]
        raise ValueError(f"lease {running} is not in it")
