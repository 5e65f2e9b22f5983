"""Gives freed memory back to the system: when there is nothing to do, and when it has become much."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
from collections.abc import Callable

_PAUSE = 1.0
_SELDOM = 5.0
_MUCH = 48 << 20
_M_ARENA_MAX = -8
_PAGE = os.sysconf("SC_PAGE_SIZE")


def keep_one_heap() -> None:
    """Makes glibc use one heap for all threads that this program is going to start.

    Of each further one it keeps up to 64 MiB at the end, once large pieces were freed, and does not let go of it
    when told to. That fills for half an hour, and looks like a leak.
    """
    if (adjust := _of_glibc("mallopt")) is not None:
        adjust(_M_ARENA_MAX, 1)


def trimmer() -> Callable[[int], int] | None:
    """What makes glibc let go of freed memory: it keeps hundreds of MiB after bursts of large messages else."""
    return _of_glibc("malloc_trim")


def _of_glibc(name: str) -> Callable[..., int] | None:
    if platform.system() != "Linux":
        return None
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)  # musl has neither
    return found


class Trimmer:
    """Lets go of freed memory after each time of work, and during it when the process has grown by much.

    Or has stayed so for some time: what it needed may be free by now.
    """

    def __init__(self) -> None:
        self._trim = trimmer()
        self._idle_since: float | None = None
        self._trimmed = True
        self._first = self._least = _resident()
        self._due = 0.0

    def look(self, *, busy: bool, now: float) -> None:
        """Called now and then.

        Args:
            busy: There is work, or was since the call before.
            now: The time, in seconds.
        """
        resident = _resident()
        self._least = min(self._least, resident)
        if resident > self._least + _MUCH or (now >= self._due and resident > self._first + _MUCH):
            self._due = now + _SELDOM
            self._let_go()
        if busy:
            self._idle_since, self._trimmed = None, False
        elif self._idle_since is None:
            self._idle_since = now
        elif not self._trimmed and now - self._idle_since >= _PAUSE:
            self._trimmed = True
            gc.collect()  # what links and errors left in cycles, which Python itself looks for ever more seldom
            self._let_go()

    def _let_go(self) -> None:
        if self._trim is not None:
            self._trim(0)
            self._least = _resident()


def _resident() -> int:
    """What the process has in memory, in bytes; 0 where the system does not tell."""
    try:
        # Not by Path: that interns its parts, and Python's table of interned strings grows by what comes and goes.
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(256).split()[1]) * _PAGE
    except OSError:
        return 0
