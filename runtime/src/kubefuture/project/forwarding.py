"""Where `make forward` has its door, known to the other commands for as long as it runs: the kernel keeps the lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ProjectError, explain
from .folder import Project


def address_of(project: Project) -> str:
    """The address of the page while `make forward` runs; empty while it does not."""
    try:
        handle = os.open(_file(project), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 1000, 0).decode(errors="replace").strip()
    except OSError:
        return ""
    finally:
        os.close(handle)
    return ""


@contextmanager
def announced(project: Project, address: str) -> Iterator[bool]:
    """Lets the other commands know it; yields whether no other `make forward` of the project runs.

    Args:
        project: The project.
        address: The page's.

    Raises:
        ProjectError: The file cannot be written.
    """
    path = _file(project)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ProjectError(explain(error, path)) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.ftruncate(handle, 0)
        os.pwrite(handle, address.encode(), 0)
        yield True
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _file(project: Project) -> Path:
    return project.state / "forward"
