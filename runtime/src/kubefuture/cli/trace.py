"""`trace`: the life of one map, from what the scheduler and the workers wrote into their logs.

logs ──> the lines of the map, and of whom it depends on ──> times since its begin, what, details
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ..core.events import Event, Value, parse
from ..kube import logs, pods, record
from ..kube.logs import Choice
from ..project.errors import ProjectError
from ..project.folder import Project
from .logs import kept_in

_PROGRAMS = ("scheduler", "worker")
_OPENED = ("map-opened", "map-restored")
_OVER = ("map-finished", "map-cancelled", "map-forgotten")
_EVERYBODYS = ("scheduler-started", "scheduler-lost", "scheduler-joined", "scaled", "journal", "journal-room")
_SHORT = 8
"""So many characters of an identity tell it from others."""


class Line(NamedTuple):
    """An event and when it was written."""

    time: datetime
    event: Event


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("map", metavar="MAP", help="its name, or SESSION/CALL as the log has it")


def run(project: Project, options: argparse.Namespace) -> int:
    """Prints the map's life."""
    for text in trace(_events(project), options.map):
        print(text)
    return 0


def _events(project: Project) -> list[Line]:
    """All that there are of what is up, on a cluster or here, or of what was up last."""
    if (known := record.up(project)) is not None:
        said = logs.past(known.place, Choice(), pods.of(known.place), -1)
        return sorted(_lines(f"{line.when[:23]}Z {line.words}" for line in said), key=lambda line: line.time)
    kept = kept_in(project)
    return read(project.logs) if kept is None else read(kept, [path.stem for path in kept.glob("*.log")])


def read(logs: Path, programs: Iterable[str] = _PROGRAMS) -> list[Line]:
    """All events in a folder of logs, in order.

    Args:
        logs: The folder.
        programs: Whose logs.
    """
    found: list[Line] = []
    for name in programs:
        path = logs / f"{name}.log"
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as file:
                found.extend(_lines(file))
    return sorted(found, key=lambda line: line.time)


def trace(lines: Sequence[Line], wanted: str) -> Iterator[str]:
    """The life of a map, line by line; of several with the same name, that of the latest.

    Args:
        lines: All events.
        wanted: The map's name, or its session, a slash, and its number.

    Raises:
        ProjectError: There is no such map.
    """
    session, call = _find(lines, wanted)
    own = [line for line in lines if _is_of(line.event, session, call)]
    begin, end = own[0].time, _end(own)
    leases = {line.event.fields["lease"] for line in own if "lease" in line.event.fields}
    shown = [
        line
        for line in lines
        if begin <= line.time
        and _matters(line.event, session, call, leases, running=end is None or line.time <= end)
    ]
    yield f"{wanted}  (session {session}, call {call}), begun {begin:%Y-%m-%d %H:%M:%S} UTC"
    width = max(len(line.event.name) for line in shown)
    for line in shown:
        seconds = (line.time - begin).total_seconds()
        details = _details(line.event.fields)
        yield f"  {seconds:>10.3f} s  {line.event.name.replace('-', ' '):<{width}}  {details}".rstrip()
    if end is None:
        yield f"  {'':>10}    {'not over yet, as far as the logs tell'}"


def _end(own: Sequence[Line]) -> datetime | None:
    """When a map was over, to which somebody may have come back later; None for one that is not."""
    end: datetime | None = None
    for line in own:
        if line.event.name in _OPENED:
            end = None
        elif line.event.name in _OVER and end is None:
            end = line.time
    return end


def _find(lines: Sequence[Line], wanted: str) -> tuple[Value, Value]:
    opened = [line.event.fields for line in lines if line.event.name in _OPENED]
    for fields in reversed(opened):
        session, call = fields.get("session"), fields.get("call")
        if wanted in (fields.get("name"), f"{session}/{call}"):
            return session, call
    if not opened:
        raise ProjectError("There are no maps in the logs yet. A script begins them: make run")
    names = dict.fromkeys(
        str(fields.get("name") or f"{fields.get('session')}/{fields.get('call')}")
        for fields in reversed(opened)
    )
    latest = ", ".join(list(names)[:5])
    raise ProjectError(f"There is no map {wanted!r} in the logs. The latest that there are: {latest}")


def _is_of(event: Event, session: Value, call: Value) -> bool:
    return event.fields.get("session") == session and event.fields.get("call") == call


def _matters(event: Event, session: Value, call: Value, leases: Collection[Value], *, running: bool) -> bool:
    """Whether it tells of the map, or, while that was running, of its script or of what all maps depend on."""
    if _is_of(event, session, call):
        return True
    if "lease" in event.fields:  # what a slot was on when it ended
        return "call" not in event.fields and event.fields["lease"] in leases
    if not running or "call" in event.fields:
        return False
    return event.fields.get("session") == session or event.name in _EVERYBODYS or "worker" in event.fields


def _details(fields: Mapping[str, Value]) -> str:
    told = ["its script"] if "session" in fields and "call" not in fields else []
    for key, value in fields.items():
        if key in ("session", "call", "name", "lease", "pid"):
            continue
        text = str(value)[:_SHORT] if key in ("worker", "by", "epoch") else str(value)
        told.append(text if key in ("reason", "told", "note") else f"{key.replace('_', ' ')} {text}")
    return ", ".join(told)


def _lines(texts: Iterable[str]) -> Iterator[Line]:
    for text in texts:
        stamp, _, rest = text.rstrip("\n").partition(" ")
        try:
            time = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ")
        except ValueError:
            continue
        event = parse(rest)
        if event is not None:
            yield Line(time, event)
