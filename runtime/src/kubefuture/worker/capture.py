"""What the element that a slot runs prints, warns and logs: taken after each element, put in front of its outcome.

    print, C code, children ══ files that are stdout and stderr ══╗
    warnings, logging ── hooks ── a list ─────────────────────────╩═> Printed ──> the outcome's payload
                           └───── a file of lines ── read by the supervisor if this process dies

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
from collections.abc import Collection, Hashable
from contextlib import suppress
from typing import Any, TextIO

from ..core.log_levels import take_on
from ..core.packing import pack_result
from ..core.printed import LEFT_OUT, Event, Printed, wrap
from ..core.streams import take
from .kept import Kept

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Capture(logging.Handler):
    """What is printed to this process's stdout and stderr, its warnings, and what is logged.

    Args:
        lines: The file that is left to the supervisor, -1 for none.

    Attributes:
        events: The warnings and log records since they were last taken.
    """

    def __init__(self, lines: int = -1) -> None:
        super().__init__()
        self._lines = lines
        self._kept = Kept()
        self.events = self._kept.events
        self._files = stat.S_ISREG(os.fstat(1).st_mode) and stat.S_ISREG(os.fstat(2).st_mode)
        self._lease = 0
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._root = logging.getLogger()

    def install(self) -> None:
        """From now on warnings and log records are kept; whoever called decides what is shown of them."""
        warnings.simplefilter("always")
        warnings.showwarning = self._warned
        self._root.addHandler(self)

    def listen(self, level: int, levels: bytes, lease: int = 0) -> None:
        """Records of these levels and above are wanted of the elements of a lease.

        Args:
            level: The root logger's level.
            levels: Other loggers' own, packed.
            lease: The lease.
        """
        self._lease = lease
        take_on(level, levels)
        if self not in self._root.handlers:
            self._return()

    def leave(self) -> None:
        """In a process that an element forked: it leaves nothing to the supervisor."""
        if self._lines >= 0:
            os.close(self._lines)
            self._lines = -1

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
        """Keeps a log record. One that cannot be made into text is told as Python does, and fails nothing."""
        try:
            text = record.getMessage()
            fields = dict(vars(record))
            fields.update(msg=text, args=None, exc_info=None)
            if record.exc_info and not record.exc_text:
                fields["exc_text"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            content = _packed_fields(fields)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)
            return
        more = fields.get("exc_text")
        line = f"{record.levelname}:{record.name}:{text}" + (f"\n{more}" if more else "")
        self._keep("log", content, (record.name, record.levelno), line)

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
        text = str(message)
        if self._kept.is_repeated((category, text, filename, lineno)):
            return
        origin = filename, lineno, _module(filename, lineno)
        try:
            content = pack_result((message, *origin))
        except Exception:
            content = pack_result((RuntimeWarning(f"{category.__name__}: {text}"), *origin))
        said = f"{filename}:{lineno}: {category.__name__}: {text}"
        self._keep("warning", content, (category, filename, lineno), said)

    def _keep(self, kind: str, content: bytes, origin: Hashable, line: str) -> None:
        added = self._kept.add(Event(kind, *self._lengths(), content), origin)
        if added and self._lines >= 0:
            with suppress(OSError):  # an element has closed it
                os.write(self._lines, f"{line}\n".encode(errors="backslashreplace"))

    def _return(self) -> None:
        """An element has set up logging anew. What it logs to our stdout and stderr is relayed by us, and not twice."""
        for handler in self._root.handlers[:]:
            if writes_to(handler, (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
                self._root.removeHandler(handler)
        self._root.addHandler(self)

    def _lengths(self) -> tuple[int, int]:
        """How much was printed to stdout and to stderr, in bytes."""
        return (os.lseek(1, 0, 2), os.lseek(2, 0, 2)) if self._files else (0, 0)

    def _streams(self) -> tuple[bytes, bytes]:
        """What was printed, which is forgotten here."""
        return (take(1), take(2)) if self._files else (b"", b"")

    def _take(self) -> Printed:
        kept = self._kept
        stdout, stderr = self._streams()
        if kept.events:
            self._kept = Kept()
            self.events = self._kept.events
            if self._lines >= 0:
                with suppress(OSError):
                    os.ftruncate(self._lines, 0)
        return Printed(
            stdout, stderr + LEFT_OUT if kept.left_out else stderr, kept.events, self._worker, self._lease
        )


def writes_to(handler: logging.Handler, streams: Collection[TextIO | None]) -> bool:
    """Whether a handler does nothing but write to one of some streams."""
    return type(handler) is logging.StreamHandler and handler.stream in streams


def _packed_fields(fields: dict[str, Any]) -> bytes:
    try:
        return pack_result(fields)
    except Exception:  # something that was given as `extra`
        return pack_result({name: value for name, value in fields.items() if name in _STANDARD})


def _module(filename: str, lineno: int) -> str:
    """The name of the module that a warning is about, which filters may ask for."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_lineno == lineno and frame.f_code.co_filename == filename:
            return str(frame.f_globals.get("__name__", "")) or "<unknown>"
        frame = frame.f_back
    return os.path.splitext(os.path.basename(filename))[0] or "<unknown>"
