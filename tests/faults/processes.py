"""Processes by role: which are slots, who is whose child, and who is dead."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .waiting import eventually

_SLOT = "kubefuture.worker.slot"


@dataclass(frozen=True)
class Process:
    """A living process."""

    pid: int
    parent: int
    command: str


def living() -> dict[int, Process]:
    """All processes that are not dead, by id. A zombie is dead."""
    if Path("/proc/self/stat").exists():
        found = [_from_proc(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()]
    else:
        lines = subprocess.check_output(["ps", "-A", "-o", "pid=,ppid=,stat=,args="], text=True)
        found = [_from_ps(line) for line in lines.splitlines()]
    return {process.pid: process for process in found if process is not None}


def _from_proc(pid: int) -> Process | None:
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, int(parent), command)


def _from_ps(line: str) -> Process | None:
    pid, parent, state, command = line.split(None, 3)
    return None if state.startswith("Z") else Process(int(pid), int(parent), command)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return pid in living()


def descendants(pid: int) -> list[Process]:
    """Everybody that a process started, directly or not."""
    everybody = living()
    found: list[Process] = []
    parents = {pid}
    while parents:
        children = [process for process in everybody.values() if process.parent in parents]
        found += children
        parents = {process.pid for process in children}
    return found


def slots_of(pid: int) -> list[int]:
    """The slots that a supervisor, or a program with plan("local"), has."""
    return sorted(process.pid for process in descendants(pid) if _SLOT in process.command)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Kills a process and returns when it is dead."""
    os.kill(pid, number)
    eventually(lambda: not is_alive(pid), f"the death of process {pid}")
