"""What elements print, warn and log on a worker of Dask, whose process has a terminal and threads of its own.

Unlike in a slot, only what Python code writes is heard, through `sys.stdout` and `sys.stderr`, and only in the thread
of the element and in threads that began after it: the others are Dask's. C code and programs that are started
write where the worker's own output goes.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from ..core.log_levels import take_on
from ..core.printed import MOST_BYTES, NOTICE
from .capture import Capture, writes_to


class DaskCapture(Capture):
    """Hears the elements of one chunk, which run in the thread that makes it.

    Args:
        level: Log records of this level and above are wanted.
        levels: Other loggers' own levels, packed.
    """

    def __init__(self, level: int, levels: bytes) -> None:
        super().__init__()
        own = threading.get_ident()
        # Not `sys._current_frames()`: Python 3.11 before 3.11.9 can hang in it for ever (gh-106883).
        living = [thread.ident for thread in threading.enumerate() if thread.ident is not None]
        self._others = frozenset(thread for thread in living if thread != own)
        self._levels = level, levels
        self._sinks = _Sink(sys.stdout, self._others), _Sink(sys.stderr, self._others)
        self._texts = _text(self._sinks[0]), _text(self._sinks[1])

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """In this block."""
        stdout, stderr = self._texts
        level, handlers = self._root.level, self._root.handlers[:]
        with redirect_stdout(stdout), redirect_stderr(stderr), warnings.catch_warnings():
            self.install()
            self.listen(*self._levels)
            try:
                yield
            finally:
                take_on(level, b"")
                added = [one for one in self._root.handlers if one is not self and one not in handlers]
                handlers += [one for one in added if not writes_to(one, self._texts)]
                self._root.handlers[:] = handlers

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a log record is an element's."""
        return record.thread not in self._others

    def _lengths(self) -> tuple[int, int]:
        stdout, stderr = self._sinks
        return len(stdout.content), len(stderr.content)

    def _streams(self) -> tuple[bytes, bytes]:
        stdout, stderr = self._sinks
        return stdout.take(), stderr.take()


class _Sink(io.BufferedIOBase):
    """Keeps what is written to it; passes on what threads write that are not an element's."""

    def __init__(self, original: TextIO, others: frozenset[int]) -> None:
        self._original = original
        self._others = others
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The worker's own, for programs that are started."""
        return self._original.fileno()

    def write(self, content: Any, /) -> int:
        data = bytes(content)
        if threading.get_ident() in self._others:
            self._original.write(data.decode(errors="backslashreplace"))
            return len(data)
        self.content += data
        if len(self.content) > 4 * MOST_BYTES:
            self.content[:] = _shortened(self.content)
        return len(data)

    def take(self) -> bytes:
        content, self.content = self.content, bytearray()
        return _shortened(content)


def _shortened(content: bytearray) -> bytes:
    if len(content) <= MOST_BYTES + len(NOTICE):
        return bytes(content)
    half = MOST_BYTES // 2
    return bytes(content[:half]) + NOTICE + bytes(content[-half:]).replace(NOTICE, b"")


def _text(sink: _Sink) -> TextIO:
    return io.TextIOWrapper(cast(Any, sink), "utf-8", "backslashreplace", write_through=True)
