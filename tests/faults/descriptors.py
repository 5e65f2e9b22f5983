"""How many files a process has open, and may have open; Linux only."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests import needs

_LOOKS, _PAUSE = 15, 0.02
_STANDARD = 3


def open_descriptors(pid: int) -> set[int]:
    """The numbers of a process's descriptors."""
    folder = f"/proc/{pid}/fd"
    return {
        int(name) for name in os.listdir(folder) if os.path.lexists(f"{folder}/{name}")
    }  # not that of the list


@contextmanager
def few_descriptors(pid: int, more: int = 0) -> Iterator[None]:
    """A process can open no more files than it has, or a few, until the end of the block.

    Args:
        pid: The process, which may be this one.
        more: How many it can still open.
    """
    if sys.platform != "linux":
        needs.missing("the limits of another process (Linux)")
    used = _lasting_descriptors(pid)
    free = [number for number in range(max(used) + more + 2) if number not in used]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[more], before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def no_descriptors(pid: int) -> Iterator[None]:
    """A process can open nothing, not even in the place of what it closes, until the end of the block."""
    if sys.platform != "linux":
        needs.missing("the limits of another process (Linux)")
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (_STANDARD, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def _lasting_descriptors(pid: int) -> set[int]:
    """Those that are open at every one of several looks: some files are read within a moment, ten times a second."""
    used = open_descriptors(pid)
    pause = threading.Event()
    for _ in range(_LOOKS):
        pause.wait(_PAUSE)
        used &= open_descriptors(pid)
    return used
