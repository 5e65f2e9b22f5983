"""Gives memory back to the system when there is nothing to do."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable

_PAUSE = 1.0


def _trimmer() -> Callable[[int], int] | None:
    """What makes glibc let go of freed memory: after a burst of large messages it keeps tens of MiB else."""
    if platform.system() != "Linux":
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    return trim


class Trimmer:
    """Lets go of freed memory once after each time of work."""

    def __init__(self) -> None:
        self._trim = _trimmer()
        self._idle_since: float | None = None
        self._trimmed = True

    def look(self, *, busy: bool, now: float) -> None:
        """Called now and then.

        Args:
            busy: There is work, or was since the call before.
            now: The time, in seconds.
        """
        if busy:
            self._idle_since, self._trimmed = None, False
        elif self._idle_since is None:
            self._idle_since = now
        elif not self._trimmed and now - self._idle_since >= _PAUSE:
            self._trimmed = True
            if self._trim is not None:
                self._trim(0)
