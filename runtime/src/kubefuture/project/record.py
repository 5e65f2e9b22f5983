"""What was deployed, recorded before anything is created, so that `make down` can find all of it.

`down` acts on these files and never on values.yaml: whatever a user changed since, and wherever
their login put its runtime folder this time, what was started is what is ended.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import ProjectError, explain
from .folder import Project

_HEADER = """\
# What `make up` has started here, written before it was. `make down` ends exactly this, proves that
# nothing is left, and removes the file.
"""


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
    earlier = None
    for record in read_all(project):
        if record.provider != provider:
            raise ProjectError(f"{record.provider} is up already (since {record.since}): first `make down`.")
        refuse_elsewhere(project, record)
        earlier = record
    record = Record(
        provider=provider,
        folders=_with(earlier.folders if earlier else (), str(project.folder)),
        sockets=_with(earlier.sockets if earlier else (), str(sockets)),
        host=socket.gethostname(),
        machine=machine_id(),
        since=earlier.since if earlier else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    if record != earlier:
        _write(project, record)
    return record


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
    """Writes a record so that it survives a crash of the machine."""
    import yaml

    path = project.records / f"{record.provider}.yaml"
    content = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(record).items()
    }
    try:
        project.records.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=project.records, prefix=".", delete=False, encoding="utf-8"
        ) as file:
            try:
                file.write(_HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ProjectError(f"{explain(error, path)} Nothing was started.") from None


def read_all(project: Project) -> list[Record]:
    """All records, in the order of their providers' names.

    Raises:
        ProjectError: One cannot be read (exit code 4: it cannot be told what is up).
    """
    import yaml

    found = []
    for path in sorted(project.records.glob("*.yaml")) if project.records.is_dir() else []:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            found.append(_record(content))
        except OSError as error:
            raise ProjectError(explain(error), exit_code=4) from None
        except (yaml.YAMLError, KeyError, TypeError, ValueError):
            raise ProjectError(
                f"{path} is damaged, so it cannot be told what is up. Look for what `ps` shows of "
                "kubefuture, end it, remove the file, and run `make down` again.",
                exit_code=4,
            ) from None
    return found


def _record(content: dict[str, Any]) -> Record:
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


def remove(project: Project, provider: str) -> None:
    """Forgets a deployment of which nothing is left."""
    (project.records / f"{provider}.yaml").unlink(missing_ok=True)


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
