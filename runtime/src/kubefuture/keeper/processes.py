"""Finds the processes of a project, however they came to be left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .daemon import PROJECT_VARIABLE

_KILL_SECONDS = 30.0
"""How long a busy machine may take to end a process that was killed."""


class CannotLook(Exception):
    """This machine does not show its processes; the message says why."""


@dataclass(frozen=True)
class Process:
    """A process that belongs to a project."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def of_project(folders: Iterable[str], recorded: Path) -> list[Process]:
    """The living processes that a project's keeper started, directly or not.

    On Linux every process shows the variable that the keeper set; elsewhere only the processes that
    the keeper wrote down are looked for.

    Args:
        folders: The project's folder, and where it was when it was recorded.
        recorded: The keeper's state file, with the processes that it started.

    Raises:
        CannotLook: The machine does not show its processes.
    """
    if sys.platform != "linux":
        return _written_down(recorded)
    wanted = {f"{PROJECT_VARIABLE}={folder}".encode(errors="surrogateescape") for folder in folders}
    mine = _own_line()
    try:
        names = os.listdir("/proc")
    except OSError as error:
        raise CannotLook(f"/proc cannot be read ({error.strerror}), so processes cannot be seen") from None
    if str(os.getpid()) not in names:
        raise CannotLook("/proc does not show this machine's processes")
    found = []
    for name in names:
        if name.isdigit() and int(name) not in mine:
            try:
                environment = Path("/proc", name, "environ").read_bytes()
                command = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                # Gone, or another user's: none of ours.
                continue
            if wanted.intersection(environment.split(b"\0")):
                found.append(Process(int(name), _words(command)))
    return sorted(found, key=lambda process: process.pid)


def end(find: Callable[[], list[Process]], grace: float = 5.0) -> list[Process]:
    """Ends processes: asks, and then does not ask.

    Args:
        find: Lists those that live now; asked again and again, since a process that ends may leave
            children behind.
        grace: Seconds that they have when they are asked.

    Returns:
        Those that could not be ended.
    """
    living = find()
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        told: set[int] = set()
        deadline = time.monotonic() + patience
        while living:
            for process in living:
                if process.pid not in told:
                    told.add(process.pid)
                    _send(process.pid, number)
            if time.monotonic() > deadline:  # each was told once, however late it is
                break
            time.sleep(0.02)
            living = find()
    return living


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
        # One that was stopped would not notice before it goes on.
        os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        pass


def _own_line() -> set[int]:
    """This process and its ancestors, which must not end themselves."""
    line, pid = set(), os.getpid()
    while pid > 1 and pid not in line:
        line.add(pid)
        try:
            status = Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace")
            # The second field is the command in parentheses, which may hold anything.
            pid = int(status.rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return line


def _words(command: bytes) -> str:
    words = command.decode(errors="replace").replace("\0", " ").strip()
    return words if len(words) <= 100 else words[:97] + "..."


def _written_down(recorded: Path) -> list[Process]:
    try:
        content = json.loads(recorded.read_bytes())
        pids = [int(content["pid"]), *map(int, content["programs"].values())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    found = []
    for pid in pids:
        shown = subprocess.run(
            ["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
        ).stdout.strip()
        # A number may have gone to another process since.
        if "kubefuture" in shown:
            found.append(Process(pid, shown[:100]))
    return found
