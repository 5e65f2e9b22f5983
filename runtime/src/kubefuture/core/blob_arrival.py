"""A blob that comes over a connection: asked for range by range, written and hashed in a thread, verified (R29)."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from queue import SimpleQueue

from ..protocol.messages import BlobPart, BlobWanted
from .settings import BLOB_WINDOW

_ENOUGH = BLOB_WINDOW // 4
_numbers = count()


class Arrival:
    """One blob on its way here.

    Args:
        digest: Its SHA-256.
        size: How many bytes it has.
        file: Where it is to be.
        changed: Called in the thread whenever more is written, and at the end.
        lasting: It is on disk for sure before it counts as finished (R6).

    Attributes:
        draft: Where it is until it is verified; no other arrival uses that, since an earlier one may end late.
        written: How many bytes can be read from `draft`.
        finished: It is whole, verified, and in `file`.
        synced: It is on disk for sure.
        lied: Its bytes are not those of its digest.
        problem: Why it cannot be kept; else empty.
    """

    def __init__(
        self, digest: bytes, size: int, file: str, changed: Callable[[], None], *, lasting: bool = False
    ) -> None:
        self.digest, self.size, self.file = digest, size, file
        self.draft = f"{file}.{next(_numbers)}.part"
        self.written = 0
        self.finished = self.synced = self.lied = False
        self.problem = ""
        self.lasting = lasting
        self._changed = changed
        self._expected = self._asked = 0
        self._over = self._begun = False
        self._ending = threading.Lock()
        self._parts: SimpleQueue[memoryview | None] = SimpleQueue()

    @property
    def over(self) -> bool:
        """Nothing more is to come, whether it is there or not."""
        return self.finished or self.lied or bool(self.problem) or self._over

    def parted(self) -> None:
        """What was asked for and has not come will not come: the connection is a new one."""
        self._asked = self._expected

    def wanted(self) -> BlobWanted | None:
        """What to ask for now, if anything."""
        stop = min(self.size, self.written + BLOB_WINDOW)
        begins = not self._begun and not self.size  # it is verified all the same
        if (
            self.over
            or (self._asked >= stop and not begins)
            or (stop - self._asked < _ENOUGH and stop < self.size)
        ):
            return None
        if not self._begun:
            try:
                self._start()
            except RuntimeError:
                return None  # no more threads may be started now; it is asked again
            self._begun = True
        start, self._asked = self._asked, stop
        return BlobWanted(self.digest, start, stop)

    def take(self, part: BlobPart) -> None:
        """Takes what arrived; what does not follow was asked for over an earlier connection."""
        length = len(part.content)
        if part.start != self._expected or self.over or not 0 < length <= self._asked - part.start:
            return
        self._expected += length
        self._parts.put(part.content)

    def stop(self) -> None:
        """It is not wanted any more; what came of it is removed, unless it is finished."""
        with self._ending:
            self._over = True
        self._parts.put(None)

    def _start(self) -> None:
        threading.Thread(target=self._run, name="kubefuture-blob", daemon=True).start()

    def _run(self) -> None:
        for _ in self._steps():
            pass

    def _steps(self) -> Iterator[None]:
        """Writes it; yields whenever it needs the next part."""
        try:
            handle = os.open(self.draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                yield from self._write(handle)
            finally:
                os.close(handle)
                if not self.finished:
                    with suppress(FileNotFoundError):
                        os.unlink(self.draft)
        except OSError as error:
            self.problem = error.strerror or str(error)
        self._changed()

    def _write(self, handle: int) -> Iterator[None]:
        digest = hashlib.sha256()
        while self.written < self.size:
            yield
            content = self._parts.get()
            if content is None:
                return
            digest.update(content)
            at = 0
            while at < len(content):
                at += os.write(handle, content[at:])
            self.written += len(content)
            self._changed()
        if digest.digest() != self.digest:
            self.lied = True
            return
        synced = self.lasting
        if synced:
            os.fsync(handle)
        with self._ending:
            if self._over:
                return
            os.replace(self.draft, self.file)
            if synced:
                sync_folder(os.path.dirname(self.file))
            self.finished, self.synced = True, synced


def sync_file(file: str) -> None:
    """Brings a file and its name to disk.

    Raises:
        OSError: It cannot be.
    """
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(os.path.dirname(file))


def sync_folder(folder: str) -> None:
    """Brings names in a folder to disk, where the system knows how."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
