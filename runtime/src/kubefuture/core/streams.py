"""The files that a slot's stdout and stderr are, seen from both sides.

A file takes what anybody writes to it, whoever it is: Python, C code, programs that were started. It is in the
order in which it was written, never keeps anybody waiting, and survives the slot.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
import tempfile
from typing import Any

from .printed import MOST_BYTES, NOTICE

_PUNCH_HOLE = 3
"""FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE, as in fallocate(2)."""


def _libc() -> Any:
    """The C library, if it can punch holes into files; without, output that is too long stays on the disk meanwhile."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return libc


_LIBC = _libc()


def make_stream() -> int:
    """A file without a name, to which everybody appends; its descriptor."""
    if hasattr(os, "memfd_create"):
        made = os.memfd_create("kubefuture-output", os.MFD_CLOEXEC)
        try:
            handle = own_view(made)  # opened, so that `is_alone` knows of it
        finally:
            os.close(made)
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) | os.O_APPEND)
    return handle


def own_view(handle: int) -> int:
    """Another descriptor of the same file, for the supervisor: only so do locks tell the two apart."""
    try:
        return os.open(f"/proc/self/fd/{handle}", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except OSError:  # there is no such folder
        return os.dup(handle)


def is_alone(view: int) -> bool:
    """Whether nobody else has the file, so that nothing more will come; False where that cannot be told.

    A lease for writing is given only to who is alone (fcntl(2), F_SETLEASE).
    """
    try:
        fcntl.fcntl(view, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(view, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (AttributeError, OSError):
        return False
    return True


def take(handle: int) -> bytes:
    """What is in the file, whose middle is left out if that is too long; it is empty afterwards."""
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        content = _read(handle, os.fstat(handle).st_size)
        os.ftruncate(handle, 0)
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
    return content


def look(handle: int, most: int) -> bytes:
    """The last bytes of it, at most so many."""
    size = os.fstat(handle).st_size
    return os.pread(handle, most, max(0, size - most))


def squeeze(handle: int) -> None:
    """Gives the memory of the middle back while the slot prints on, so that endless output needs no endless memory.

    The file keeps its length and becomes zeros there: if it were cut, what is printed in that moment would be lost.
    """
    if _LIBC is None or os.fstat(handle).st_size <= 2 * MOST_BYTES:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # it is being taken
    try:
        size = os.fstat(handle).st_size
        if size > 2 * MOST_BYTES:
            _LIBC.fallocate(handle, _PUNCH_HOLE, MOST_BYTES // 2, size - MOST_BYTES)
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _read(handle: int, size: int) -> bytes:
    if size <= MOST_BYTES:
        return os.pread(handle, size, 0)
    half = MOST_BYTES // 2
    return os.pread(handle, half, 0) + NOTICE + os.pread(handle, half, size - half)
