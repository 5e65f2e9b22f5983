"""Signals at the right moment: no handler, which may raise, runs in the middle of a step that has to be whole."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps: converting would cost every future
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_NAMES = ("INT", "ALRM", "TERM", "HUP", "USR1", "USR2", "QUIT", "VTALRM", "PROF", "XCPU")
_NUMBERS = tuple(int(getattr(signal, f"SIG{name}")) for name in _NAMES if hasattr(signal, f"SIG{name}"))
"""The signals whose handlers raise, in practice: Ctrl-C, the end of the program, and limits of time."""

_USUAL = [_signal.default_int_handler if number == _signal.SIGINT else _signal.SIG_DFL for number in _NUMBERS]
_CTRL_C = {_signal.SIGINT: _signal.default_int_handler}

Handler = Callable[[int, FrameType | None], Any]


class HeldSignals:
    """Puts signals off that Python code handles, from `hold` to `release`, which then runs their handlers.

    They can only come, and be held, in the main thread. The step between must be short.

    Args:
        told: Called when one has come, so that a wait can end; a signal's handler calls it.

    Attributes:
        came: A signal waits for `release`.
    """

    __slots__ = ("_handlers", "_holds", "_noted", "_told", "came")

    def __init__(self, told: Callable[[], object] | None = None) -> None:
        self._told = told
        self._holds = self.came = False
        self._handlers: dict[int, Handler] = {}
        self._noted: dict[int, FrameType | None] = {}

    def hold(self) -> None:
        """From now on none is handled.

        Raises:
            KeyboardInterrupt: Or what else a handler raises: one came just before. None is held then.
        """
        found = list(map(_signal.getsignal, _NUMBERS))
        if found == _USUAL:
            self._handlers = _CTRL_C
        else:
            self._handlers = {
                number: handler for number, handler in zip(_NUMBERS, found, strict=True) if callable(handler)
            }
        try:
            self._holds = True
            for number in self._handlers:
                _signal.signal(number, self._note)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Signals are handled again; those that came are, one after the other.

        Raises:
            KeyboardInterrupt: Or what else a handler raises.
        """
        raised = None
        left = [*self._handlers.items()]
        while left:
            try:
                while left:
                    number, handler = left[-1]
                    if _signal.getsignal(number) == self._note:  # else code within the block set another
                        _signal.signal(number, handler)
                    left.pop()
            except BaseException as error:  # of a handler that is back already; the others have to follow
                raised = error
        self._holds = False
        if self._noted:
            noted, self._noted, self.came = self._noted, {}, False
            self._handle([*noted.items()])
        if raised is not None:
            raise raised

    def _handle(self, noted: list[tuple[int, FrameType | None]]) -> None:
        if noted:
            number, frame = noted.pop(0)
            try:
                self._handlers[number](number, frame)
            finally:
                self._handle(noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self._holds:  # somebody took it for the handler that was there before, and put it back
            self._handlers[number](number, frame)
            return
        self._noted[number] = frame
        self.came = True
        if self._told is not None:
            self._told()


class undisturbed:  # noqa: N801 - a context manager, used like a function
    """Puts Ctrl-C and other signals' handlers off until the block is done; what they raise is raised at its end.

    The block must be short: nothing in it runs an element, or waits.
    """

    __slots__ = ("_held",)

    def __enter__(self) -> None:
        self._held = None
        if threading.current_thread() is threading.main_thread():
            held = HeldSignals()
            held.hold()
            self._held = held

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._held.release()
