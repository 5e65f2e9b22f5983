"""How this process introduces itself."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Iterable
from pathlib import Path

from ..protocol.messages import PROTOCOL, Hello
from .current_folder import current_folder
from .luggage import path_told
from .version import own_environment

NODE_VARIABLE = "KUBEFUTURE_NODE"
"""Environment variable: the node of the cluster that a pod is on."""


def hello(role: str, *, slots: Iterable[int] = (), place: str = "") -> Hello:
    """The first message of a connection.

    Args:
        role: `client`, `control`, `worker`, or `scheduler` for what a scheduler says of itself.
        slots: The numbers of the slots that a worker has.
        place: A worker's place; see `Hello`.
    """
    return Hello(
        role=role,
        protocol=PROTOCOL,
        identity=secrets.token_hex(8),
        host=platform.node(),
        pid=os.getpid(),
        environment=own_environment(),
        slots=tuple(slots),
        sys_path=path_told() if role == "client" else (),
        folder=current_folder() if role == "client" else "",
        place=place,
        machine=this_machine(),
        started=_started(os.getpid()),
        node=os.environ.get(NODE_VARIABLE, "") if role == "worker" else "",
    )


def is_gone(other: Hello) -> bool:
    """Whether a process is dead for sure; False where that cannot be told from here."""
    return not is_alive(other.machine, other.pid, other.started)


def is_alive(machine: str, pid: int, started: int) -> bool:
    """Whether a process may be alive, by what its Hello said; True where that cannot be told from here."""
    if not machine or machine != this_machine():
        return True
    return _started(pid) == started


def boot() -> str:
    """Names the running kernel, another one after each start of the machine; empty where there is no /proc."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def this_machine() -> str:
    """The running kernel and the process ids' namespace; empty where there is no /proc."""
    try:
        return f"{kernel} {os.readlink('/proc/self/ns/pid')}" if (kernel := boot()) else ""
    except OSError:
        return ""


def _started(pid: int) -> int:
    """When a process began, in ticks since the kernel did; 0 for one that has ended."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
