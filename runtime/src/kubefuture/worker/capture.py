"""What the element that a slot runs prints, warns and logs: taken after each element, put in front of its outcome.

    print, C code, children ══ files that are stdout and stderr ══╗
    warnings, logging ── hooks ── a list ─────────────────────────╩═> Printed ──> the outcome's payload

Whether there is anything is asked once an element: the files' lengths, and whether the list is empty.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import sys
import traceback
import warnings
from typing import Any, TextIO

from ..core.packing import pack_result
from ..core.printed import LEFT_OUT, MOST_EVENTS, Event, Printed, wrap
from ..core.streams import take

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Capture(logging.Handler):
    """What is printed to this process's stdout and stderr, its warnings, and what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._files = stat.S_ISREG(os.fstat(1).st_mode) and stat.S_ISREG(os.fstat(2).st_mode)
        self._left_out = False
        self._lease = 0
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._root = logging.getLogger()

    def install(self) -> None:
        """From now on warnings and log records are kept; whoever called decides what is shown of them."""
        warnings.simplefilter("always")
        warnings.showwarning = self._warned
        self._root.addHandler(self)

    def listen(self, level: int, lease: int = 0) -> None:
        """Records of this level and above are wanted of the elements of a lease."""
        self._lease = lease
        if self._root.level != level:
            self._root.setLevel(level)

    def any(self) -> bool:
        """Whether there is something since it was last taken."""
        return bool(self.events) or any(self._lengths())

    def over(self, payload: bytes) -> bytes:
        """An element is over: its outcome, with what it gave out."""
        if not self.any():
            return payload
        return wrap(self._take(), payload)

    def clear(self) -> None:
        """Nobody is to see what was given out since it was last taken."""
        if self.any():
            self._take()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a log record."""
        fields = dict(vars(record))
        fields.update(msg=record.getMessage(), args=None, exc_info=None)
        if record.exc_info and not record.exc_text:
            fields["exc_text"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        try:
            content = pack_result(fields)
        except Exception:  # something that was given as `extra`
            content = pack_result({name: value for name, value in fields.items() if name in _STANDARD})
        self._keep("log", content)

    def _warned(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:
            file.write(warnings.formatwarning(message, category, filename, lineno, line))
            return
        if not isinstance(message, Warning):
            message = category(message)
        origin = filename, lineno, _module(filename, lineno)
        try:
            content = pack_result((message, *origin))
        except Exception:
            content = pack_result((RuntimeWarning(f"{category.__name__}: {message}"), *origin))
        self._keep("warning", content)

    def _keep(self, kind: str, content: bytes) -> None:
        if len(self.events) >= MOST_EVENTS:
            self._left_out = True
            return
        self.events.append(Event(kind, *self._lengths(), content))

    def _lengths(self) -> tuple[int, int]:
        """How much was printed to stdout and to stderr, in bytes."""
        return (os.lseek(1, 0, 2), os.lseek(2, 0, 2)) if self._files else (0, 0)

    def _streams(self) -> tuple[bytes, bytes]:
        """What was printed, which is forgotten here."""
        return (take(1), take(2)) if self._files else (b"", b"")

    def _take(self) -> Printed:
        events, self.events = self.events, []
        stdout, stderr = self._streams()
        if self._left_out:
            self._left_out = False
            stderr += LEFT_OUT
        return Printed(stdout, stderr, events, self._worker, self._lease)


def _module(filename: str, lineno: int) -> str:
    """The name of the module that a warning is about, which filters may ask for."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_lineno == lineno and frame.f_code.co_filename == filename:
            return str(frame.f_globals.get("__name__", "")) or "<unknown>"
        frame = frame.f_back
    return os.path.splitext(os.path.basename(filename))[0] or "<unknown>"
