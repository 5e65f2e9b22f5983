"""Gives what elements printed, warned and logged to the program that called, as if it had happened there."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from ..protocol.messages import PrintedCall
from .packing import unpack_result
from .printed import Printed
from .warn import is_ours, users_frame


class InOrder:
    """What the elements of one map gave out, relayed in their order, as soon as that permits.

    Args:
        muted: Nobody wants to see it.
    """

    def __init__(self, *, muted: bool = False) -> None:
        self._muted = muted
        self._due = 0
        self._ahead: dict[int, int] = {}
        self._waiting: dict[int, Printed] = {}

    def heard(self, said: PrintedCall) -> None:
        """An element has printed something, which is seen when its turn has come."""

    def keep(self, index: int, printed: Printed | None) -> None:
        """An element gave something out; `arrived` follows."""
        if printed is not None and not self._muted:
            self._waiting[index] = printed

    def arrived(self, start: int, count: int) -> None:
        """Consecutive elements are over."""
        if start != self._due:
            self._ahead[start] = start + count
            return
        self._due = start + count
        while self._due in self._ahead:
            self._due = self._ahead.pop(self._due)
        if self._waiting:
            for index in sorted(index for index in self._waiting if index < self._due):
                relay(self._waiting.pop(index), index)

    def rest(self) -> None:
        """No more will come, as after an error: relays what waited for others."""
        while self._waiting:
            index = min(self._waiting)
            relay(self._waiting.pop(index), index)


class AsItComes:
    """What the elements of one map, or a future's, gave out, relayed as soon as it is known."""

    def __init__(self) -> None:
        self._shown: dict[int, tuple[int, int, int]] = {}

    def heard(self, said: PrintedCall) -> None:
        """An element has printed something, and goes on."""
        stdout, stderr = said.before
        self._shown[said.index] = said.lease, stdout + len(said.stdout), stderr + len(said.stderr)
        _write(sys.stdout, said.stdout)
        _write(sys.stderr, said.stderr)

    def keep(self, index: int, printed: Printed | None) -> None:
        """An element is over."""
        lease, stdout, stderr = self._shown.pop(index, (0, 0, 0))
        if printed is not None:
            relay(printed, index, (stdout, stderr) if printed.lease == lease else (0, 0))

    def arrived(self, start: int, count: int) -> None:
        """Consecutive elements are over."""

    def rest(self) -> None:
        """No more will come."""


def relay(printed: Printed, index: int, shown: tuple[int, int] = (0, 0)) -> None:
    """Prints, warns and logs what an element did, but for what was shown of both streams.

    Raises:
        Warning: The user wants such a warning to be an error. The rest was relayed before.
    """
    stdout, stderr = shown
    error: Warning | None = None
    for event in printed.events:
        _write(sys.stdout, printed.stdout[stdout : event.stdout])
        _write(sys.stderr, printed.stderr[stderr : event.stderr])
        stdout, stderr = max(stdout, event.stdout), max(stderr, event.stderr)
        try:
            if event.kind == "warning":
                _warn(*unpack_result(event.content))
            else:
                _log(unpack_result(event.content), printed.worker, index)
        except Warning as wanted:
            error = error or wanted
        except Exception as problem:
            _write(sys.stderr, f"kubefuture: a {event.kind} cannot be shown here: {problem}\n".encode())
    _write(sys.stdout, printed.stdout[stdout:])
    _write(sys.stderr, printed.stderr[stderr:])
    if error is not None:
        raise error


@contextmanager
def silence() -> Iterator[None]:
    """Drops what a block in this process prints, warns and logs; what other threads do meanwhile, too."""
    null = open(os.devnull, "w")
    with null, redirect_stdout(null), redirect_stderr(null), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        handlers, logging.root.handlers = logging.root.handlers, [logging.NullHandler()]
        try:
            yield
        finally:
            logging.root.handlers = handlers


def _write(stream: TextIO | None, content: bytes) -> None:
    if content and stream is not None:
        with _beside_bars(stream):
            _pass_on(stream, content)


def _beside_bars(stream: TextIO) -> AbstractContextManager[object]:
    """Progress bars on the same terminal give way for a moment."""
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    return nullcontext() if bars is None else bars.external_write_mode(file=stream)


def _pass_on(stream: TextIO, content: bytes) -> None:
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(content.decode(errors="replace"))
    else:  # as they are, whatever the encoding
        stream.flush()
        buffer.write(content)
    stream.flush()


def _warn(message: Warning, filename: str, lineno: int, module: str) -> None:
    if is_ours(module):  # stacklevel=2 in the function itself: who calls it is the line of the user's
        frame, _ = users_frame()
        filename, lineno = frame.f_code.co_filename, frame.f_lineno
        module = frame.f_globals.get("__name__", "<unknown>")
    loaded = sys.modules.get(module)
    registry = vars(loaded).setdefault("__warningregistry__", {}) if loaded is not None else {}
    warnings.warn_explicit(message, type(message), filename, lineno, module, registry)


def _log(fields: dict[str, Any], worker: str, index: int) -> None:
    record = logging.makeLogRecord({**fields, "worker": worker, "element": index})
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
