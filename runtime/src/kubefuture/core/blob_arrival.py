"""A blob that comes over a connection: asked for range by range, written and hashed in a thread, verified (R29)."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from ..protocol.messages import BlobPart, BlobWanted
from .settings import BLOB_WINDOW

_ENOUGH = BLOB_WINDOW // 4


class Arrival:
    """One blob on its way here.

    Args:
        digest: Its SHA-256.
        size: How many bytes it has.
        file: Where it is to be; until it is verified it is next to that.
        changed: Called in the thread whenever more is written, and at the end.
        lasting: It is on disk for sure before it counts as finished (R6).

    Attributes:
        written: How many bytes can be read from `draft`.
        finished: It is whole, verified, and in `file`.
        lied: Its bytes are not those of its digest.
        problem: Why it cannot be kept; else empty.
    """

    def __init__(
        self, digest: bytes, size: int, file: Path, changed: Callable[[], None], *, lasting: bool = False
    ) -> None:
        self.digest, self.size, self.file = digest, size, file
        self.draft = file.with_name(f"{file.name}.part")
        self.written = 0
        self.finished = self.lied = False
        self.problem = ""
        self.lasting = lasting
        self._changed = changed
        self._expected = self._asked = 0
        self._over = False
        self._parts: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kubefuture-blob", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Nothing more is to come, whether it is there or not."""
        return self.finished or self.lied or bool(self.problem) or self._over

    def wanted(self, *, again: bool = False) -> BlobWanted | None:
        """What to ask for now, if anything.

        Args:
            again: What was asked for and has not come will not come: the connection is a new one.
        """
        if again:
            self._asked = self._expected
        stop = min(self.size, self.written + BLOB_WINDOW)
        if self.over or self._asked >= stop or (stop - self._asked < _ENOUGH and stop < self.size):
            return None
        start, self._asked = self._asked, stop
        return BlobWanted(self.digest, start, stop)

    def take(self, part: BlobPart) -> None:
        """Takes what arrived; what does not follow was asked for over an earlier connection."""
        if part.start != self._expected or self.over or part.start + len(part.content) > self._asked:
            return
        self._expected += len(part.content)
        self._parts.put(part.content)

    def stop(self) -> None:
        """It is not wanted any more; what came of it is removed."""
        self._over = True
        self._parts.put(None)

    def _run(self) -> None:
        try:
            handle = os.open(self.draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                self._write(handle)
            finally:
                os.close(handle)
                if not self.finished:
                    self.draft.unlink(missing_ok=True)
        except OSError as error:
            self.problem = error.strerror or str(error)
        self._changed()

    def _write(self, handle: int) -> None:
        digest = hashlib.sha256()
        while self.written < self.size:
            content = self._parts.get()
            if content is None:
                return
            digest.update(content)
            with memoryview(content) as view:
                at = 0
                while at < len(view):
                    at += os.write(handle, view[at:])
            self.written += len(content)
            self._changed()
        if digest.digest() != self.digest:
            self.lied = True
            return
        if self.lasting:
            os.fsync(handle)
        os.replace(self.draft, self.file)
        if self.lasting:
            sync_folder(self.file.parent)
        self.finished = True


def sync_folder(folder: Path) -> None:
    """Brings names in a folder to disk, where the system knows how."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
