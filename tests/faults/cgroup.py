"""A memory limit as a container has one: a cgroup of this machine, where that can be made."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from . import processes
from .waiting import eventually

_ROOT = Path("/sys/fs/cgroup/memory")


class MemoryGroup:
    """A cgroup (version 1) with a limit.

    Attributes:
        folder: The kernel's files of it.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        (folder / "memory.limit_in_bytes").write_text(str(limit))

    def take(self, pid: int) -> None:
        """A process and its descendants belong to it from now on, and what they start."""
        for member in (pid, *(process.pid for process in processes.descendants(pid))):
            with suppress(ProcessLookupError):  # one that it had started for a moment
                (self.folder / "cgroup.procs").write_text(str(member))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started meanwhile begins in it, and so can read its limits."""
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        path = next(line.split(":", 2)[2] for line in lines if line.split(":")[1] == "memory")
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (_ROOT / path.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def kills(self) -> int:
        """How many processes the kernel has ended for want of memory."""
        lines = (self.folder / "memory.oom_control").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def end(self) -> None:
        """Ends every process in it, as the kernel does with a container that is over its limit."""

        def nobody_is_left() -> bool:
            members = (self.folder / "cgroup.procs").read_text().split()
            for member in members:
                with suppress(ProcessLookupError):
                    os.kill(int(member), signal.SIGKILL)
            return not members

        eventually(nobody_is_left, "the end of all in the cgroup")


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """A group with a limit in bytes, which is empty and gone afterwards."""
    folder = _ROOT / f"kubefuture-test-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
        group = MemoryGroup(folder, limit)
    except OSError as error:
        # A property of the machine's kernel, which nobody can install as they would a tool: CI may be without it.
        pytest.skip(f"needs a memory cgroup of version 1 that may be made ({error.strerror})")
    try:
        yield group
    finally:
        group.end()
        folder.rmdir()
