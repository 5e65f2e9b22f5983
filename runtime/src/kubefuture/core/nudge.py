"""Wakes an event loop from another thread: many times before it looks are one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Nudge:
    """Calls a function in a loop's thread soon after it is called in any thread.

    Args:
        loop: The loop.
        function: What to call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
        self._loop = loop
        self._function = function
        self._pending = False

    def __call__(self) -> None:
        """Nudges it."""
        if not self._pending:
            self._pending = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._pending = False
        self._function()
