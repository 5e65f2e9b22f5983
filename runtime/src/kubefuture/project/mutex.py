"""One command at a time changes a project: a lock that the kernel gives back when its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ProjectError, explain
from .folder import Project

HELD = "KUBEFUTURE_LOCK_HELD"
"""Environment variable: the folder whose lock a parent process holds for us."""


@contextmanager
def project_lock(project: Project, command: str) -> Iterator[None]:
    """Holds the project's lock, and lets the commands it starts go on under it.

    Args:
        project: The project.
        command: What holds it, as a person would type it.

    Raises:
        ProjectError: Another command holds it, or it cannot be written.
    """
    if os.environ.get(HELD) == str(project.folder):
        yield
        return
    path = project.state / "lock"
    try:
        project.state.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ProjectError(explain(error, path)) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProjectError(_who(handle)) from None
        _sign(handle, command)
        os.environ[HELD] = str(project.folder)
        try:
            yield
        finally:
            del os.environ[HELD]
    finally:
        os.close(handle)


def _sign(handle: int, command: str) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {command}\n".encode(), 0)
    except OSError:
        # The signature only helps the sentence that somebody else may read.
        pass


def _who(handle: int) -> str:
    signature = os.pread(handle, 200, 0).decode(errors="replace").strip()
    pid, _, command = signature.partition(" ")
    who = f"`{command}` (process {pid})" if command else "another command"
    return f"{who} is working on this project already. Wait until it has ended, then try again."
