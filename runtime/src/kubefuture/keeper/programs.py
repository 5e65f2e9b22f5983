"""What the keeper keeps: programs as data, handed to it as JSON on its standard input.

Not as arguments and not in a file: the workers' environment may hold a password.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..project.folder import Project
from ..project.values import Values

_JOURNAL = Path(".kubefuture") / "local" / "journal"
BLOBS = Path(".kubefuture") / "local" / "blobs"
"""Where scheduler and worker keep what functions captured, in the project."""

IN_FLIGHT = Path(".kubefuture") / "local" / "in-flight"
"""What the worker's slots run, in the project's folder, for the worker that is started when that one was killed."""

PAGE = "page.sock"
"""The socket of the scheduler's page for browsers, in the folder of its sockets."""

_SQLITE_PATH = 480
"""SQLite opens no file whose path is longer than 512 bytes, its own endings included."""

START_SECONDS = 60.0
START_SECONDS_PER_SLOT = 2.0
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Program:
    """One program.

    Attributes:
        name: What logs and messages call it.
        arguments: Its command line; `--ready-fd N --lifeline-fd M` is appended.
        environment: Variables added to the keeper's own.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What a keeper is asked to do.

    Attributes:
        folder: The project's folder.
        sockets: The folder of its sockets.
        programs: What to keep, in the order in which they start.
        digest: Differs when a running keeper would have to be replaced.
        grace: Seconds between SIGTERM and SIGKILL.
        start_limit: Seconds within which each program must be ready.
    """

    folder: str
    sockets: str
    programs: tuple[Program, ...]
    digest: str
    grace: float = GRACE_SECONDS
    start_limit: float = START_SECONDS

    def to_json(self) -> str:
        """The plan as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan in such a text."""
        content = json.loads(text)
        programs = tuple(
            Program(item["name"], tuple(item["arguments"]), dict(item["environment"]))
            for item in content.pop("programs")
        )
        return cls(programs=programs, **content)


def journal_of(folder: Path) -> Path:
    """Where a project's named work is kept: in the project, or where its path is too long, in the user's state.

    Args:
        folder: The project's folder.
    """
    inside = folder / _JOURNAL
    path = os.fsencode(inside.absolute())
    if len(path) <= _SQLITE_PATH:
        return inside
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "kubefuture" / hashlib.sha256(path).hexdigest()[:16]


def plan_for(project: Project, values: Values, sockets: Path, python: str = sys.executable) -> Plan:
    """Scheduler and worker as values.yaml wants them.

    Args:
        project: The project.
        values: Its values.
        sockets: The folder of its sockets.
        python: The project's Python; who calls this runs on it, as a rule.
    """
    # -P: a file of the user's that is called like a module of Python's must not take its place here.
    common = ["--connection", ".kubefuture/connection.json", "--slots-file", ".kubefuture/local/slots"]
    place = journal_of(project.folder)
    journal = str(_JOURNAL if place == project.folder / _JOURNAL else place)
    scheduler = (python, "-P", "-m", "kubefuture.scheduler", *common, "--journal", journal)
    scheduler += ("--blobs", str(BLOBS / "scheduler"), "--page", f"unix:{sockets / PAGE}")
    worker = (python, "-P", "-m", "kubefuture.worker", *common, "--blobs", str(BLOBS / "worker"))
    worker += ("--threads-per-slot", str(values.threads), "--memory-per-slot", str(values.memory))
    worker += ("--state", str(IN_FLIGHT), "--place", "the worker")
    programs = (Program("scheduler", scheduler, {}), Program("worker", worker, values.env))
    return Plan(
        folder=str(project.folder),
        sockets=str(sockets),
        programs=programs,
        digest=_digest(project, programs),
        start_limit=START_SECONDS + START_SECONDS_PER_SLOT * values.count,
    )


def _digest(project: Project, programs: tuple[Program, ...]) -> str:
    """Of all that running programs cannot take up: their settings, their packages, their source."""
    digest = hashlib.sha256(json.dumps([asdict(program) for program in programs]).encode())
    source = project.runtime / "src"
    for path in [*sorted(source.rglob("*.py")), project.lock_file]:
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
