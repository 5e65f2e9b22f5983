"""What was started on this machine: wherever a login puts its runtime folder, what was started is what is ended."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import deployed
from .errors import ProjectError
from .folder import Project

LOCAL = "local"
"""The provider that is this machine."""


@dataclass(frozen=True)
class Record:
    """One deployment.

    Attributes:
        provider: Where it runs.
        folders: Where the project's folder was, each time it was started.
        sockets: The folders of its sockets; another login may be given another one.
        host: The machine's name, for people.
        machine: What tells this machine from others, whatever its name.
        since: When it was first recorded, in UTC.
    """

    provider: str
    folders: tuple[str, ...]
    sockets: tuple[str, ...]
    host: str
    machine: str
    since: str


def begin(project: Project, provider: str, sockets: Path) -> Record:
    """Records that something is about to be started on this machine, beside what already was.

    Args:
        project: The project.
        provider: Where it will run.
        sockets: The folder of its sockets.

    Raises:
        ProjectError: Something of another provider or on another machine is up, or the record
            cannot be written; so nothing may be started.
    """
    record = wanted(project, provider, sockets)
    if record not in read_all(project):
        _write(project, record)
    return record


def wanted(project: Project, provider: str, sockets: Path) -> Record:
    """The record that there has to be before something is started. It is not written.

    Args:
        project: The project.
        provider: Where it will run.
        sockets: The folder of its sockets.

    Raises:
        ProjectError: Something of another provider or on another machine is up.
    """
    earlier = None
    deployed.refuse_other(project, provider)
    for record in read_all(project):
        refuse_elsewhere(project, record)
        earlier = record
    return Record(
        provider=provider,
        folders=_with(earlier.folders if earlier else (), str(project.folder)),
        sockets=_with(earlier.sockets if earlier else (), str(sockets)),
        host=socket.gethostname(),
        machine=machine_id(),
        since=earlier.since if earlier else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def refuse_elsewhere(project: Project, record: Record) -> None:
    """Refuses a record of another machine that shares this folder: from here nothing can be seen of it.

    Raises:
        ProjectError: It is another machine's (exit code 4: it cannot be told what is up).
    """
    if record.machine != machine_id():
        path = project.records / f"{record.provider}.yaml"
        raise ProjectError(
            f"This project is up on another machine, {record.host}, since {record.since}: run "
            f"`make down` there. If that machine is gone for good, remove "
            f"{path.relative_to(project.folder)} and try again.",
            exit_code=4,
        )


def _with(earlier: Sequence[str], new: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*earlier, new]))


def _write(project: Project, record: Record) -> None:
    content = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(record).items()
    }
    deployed.write(project, record.provider, content)


def read_all(project: Project) -> list[Record]:
    """All records of what runs on this machine.

    Raises:
        ProjectError: One cannot be read (exit code 4: it cannot be told what is up).
    """
    return [
        deployed.parsed(project, one, _record) for one in deployed.read_all(project) if one.provider == LOCAL
    ]


def _record(content: Mapping[str, Any]) -> Record:
    for name in ("folders", "sockets"):
        if not isinstance(content[name], list):
            raise TypeError(name)
    return Record(
        provider=str(content["provider"]),
        folders=tuple(map(str, content["folders"])),
        sockets=tuple(map(str, content["sockets"])),
        host=str(content["host"]),
        machine=str(content["machine"]),
        since=str(content["since"]),
    )


def machine_id() -> str:
    """Tells machines apart that share a file system; a laptop's name changes with its network."""
    for place in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            found = Path(place).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if found:
            return found
    return socket.gethostname()
