"""A wall clock that is set: nothing that is decided depends on it, but whoever reads the log has to know (R1).

Beside it runs a clock that only counts. It stands still while the machine sleeps, so that is told as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..core.events import line
from ..core.settings import CLOCK_JUMP_SECONDS

_LOOK_SECONDS = 1.0


class WallClock:
    """Compares the two.

    Args:
        log: Takes one line for the log.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._ahead = _ahead()

    def look(self) -> None:
        """Says so if the wall clock was set since it was looked at last."""
        ahead = _ahead()
        jump, self._ahead = ahead - self._ahead, ahead
        if abs(jump) >= CLOCK_JUMP_SECONDS:
            told = "the wall clock was set, or this machine slept; nothing but the times in this log depends on it"
            self._log(line("clock-jumped", seconds=jump, told=told))

    def watch(self) -> None:
        """Looks about once a second, for as long as the running loop does."""
        self.look()
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self.watch)


def _ahead() -> float:
    """How far the wall clock is ahead of the other one, both read in one moment: a process may not run for a while."""
    while True:
        began = time.monotonic()
        ahead = time.time() - began
        if time.monotonic() - began < CLOCK_JUMP_SECONDS / 2:
            return ahead
