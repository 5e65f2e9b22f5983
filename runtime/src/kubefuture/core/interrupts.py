"""Ctrl-C at the right moment: not in the middle of a step that has to be whole."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps: converting would cost every future
import threading
from types import FrameType


class undisturbed:  # noqa: N801 - a context manager, used like a function
    """Puts a Ctrl-C off until the block is done; KeyboardInterrupt is then raised at its end.

    Only in the main thread, where Python raises it, and only where nobody else handles SIGINT. The block must be
    short: nothing in it runs an element, or waits.
    """

    __slots__ = ("_active", "_pressed")

    def __enter__(self) -> None:
        self._active = self._pressed = False
        main = threading.current_thread() is threading.main_thread()
        if main and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, self._note)
            self._active = True

    def __exit__(self, *_: object) -> None:
        if self._active:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            if self._pressed:
                raise KeyboardInterrupt

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._pressed = True
