"""One command at a time changes a project: a lock that the kernel gives back when its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ProjectError, explain
from .folder import Project

HELD = "KUBEFUTURE_LOCK_HELD"
"""Environment variable: the folder whose lock a parent process holds for us."""

_SIGNING_SECONDS = 2.0


@contextmanager
def project_lock(project: Project, command: str, *, looking: bool = False) -> Iterator[None]:
    """Holds the project's lock, and lets the commands it starts go on under it.

    Args:
        project: The project.
        command: What holds it, as a person would type it.
        looking: Nothing is going to be changed, so several may hold it, and nothing is written into it.

    Raises:
        ProjectError: Another command holds it, or it cannot be written.
    """
    if os.environ.get(HELD) == str(project.folder):
        yield
        return
    handle = _open(project.state / "lock", looking)
    try:
        if handle is not None:
            _take(handle, fcntl.LOCK_SH if looking else fcntl.LOCK_EX)
        if handle is not None and not looking:
            _sign(handle, f"{os.getpid()} {command}\n")
        os.environ[HELD] = str(project.folder)
        try:
            yield
        finally:
            del os.environ[HELD]
            if handle is not None and not looking:
                _sign(handle, "")
    finally:
        if handle is not None:
            os.close(handle)


def _open(path: Path, looking: bool) -> int | None:
    """The lock's file; None if nobody ever took it and nobody is going to."""
    try:
        if looking:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC) if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ProjectError(explain(error, path)) from None


def _take(handle: int, kind: int) -> None:
    """Takes the lock, or says who has it; one who took it this very moment is given time to sign."""
    patience = time.monotonic() + _SIGNING_SECONDS
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            signature = os.pread(handle, 200, 0).decode(errors="replace").strip()
        pid, _, command = signature.partition(" ")
        if command or time.monotonic() > patience:
            who = f"`{command}` (process {pid})" if command else "another command"
            raise ProjectError(
                f"{who} is working on this project already. Wait until it has ended, then try again."
            )
        time.sleep(0.01)


def _sign(handle: int, signature: str) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, signature.encode(), 0)
    except OSError:
        # The signature only helps the sentence that somebody else may read.
        pass
