"""Proof that a keeper lives: a lock that the kernel gives back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def take(path: Path) -> int | None:
    """Takes the lock.

    Args:
        path: The lock's file; its folder exists.

    Returns:
        A file descriptor that holds it, or None while another keeper lives.

    Raises:
        OSError: The file cannot be written.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        if is_held(path, handle):
            return handle
        # Its last holder removed the file between our opening and locking it.
        os.close(handle)


def holder(path: Path) -> int | None:
    """The process id of the keeper that lives, 0 if it has not said it yet, or None.

    Args:
        path: The lock's file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            words = os.pread(handle, 32, 0).decode(errors="replace").strip()
            return int(words) if words.isdigit() else 0
        return None
    finally:
        os.close(handle)


def sign(handle: int) -> None:
    """Writes the caller's process id into a lock that it holds."""
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def is_held(path: Path, handle: int) -> bool:
    """Whether the lock that a descriptor holds is still the one at this path."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
