"""A log that strangers cannot fill."""

from __future__ import annotations

import time
from collections.abc import Callable


class Quiet:
    """A log that nobody can fill: one line a second, and how many were left out.

    Args:
        log: Takes one line.
        clock: Returns seconds.
    """

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._next = clock()
        self._left_out = 0

    def __call__(self, line: str) -> None:
        """Logs the line, or counts it."""
        now = self._clock()
        if now < self._next:
            self._left_out += 1
            return
        self._log(f"{line} (left out before: {self._left_out} such lines)" if self._left_out else line)
        self._next, self._left_out = now + 1.0, 0
