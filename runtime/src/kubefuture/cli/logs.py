"""`logs`: what keeper, scheduler and workers say, in one stream.

Each line of ours begins with its time, by which the files are merged; lines without one (a
traceback, what the user's code prints) stay behind the line they followed, or before the one they precede.
"""

from __future__ import annotations

import argparse
import heapq
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..kube import logs as pod_logs
from ..kube import pods, record
from ..kube.following import Following
from ..kube.logs import Choice, Line, Once
from ..kube.place import Place
from ..kube.record import ClusterRecord
from ..project.errors import ProjectError
from ..project.folder import Project

_NAMES = ("keeper", "scheduler", "worker")
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z ")
_WIDTH = max(map(len, _NAMES))
_PAUSE = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on showing what is said, until Ctrl-C"
    )
    parser.add_argument(
        "-n", "--lines", type=int, default=100, help="how many lines of the past (100); 0 for none"
    )
    parser.add_argument(
        "program", nargs="?", default="", metavar="WHOSE",
        help="only keeper, scheduler or worker; on a cluster also a pod, such as worker-x7k2p",
    )  # fmt: skip


def run(project: Project, options: argparse.Namespace) -> int:
    """Prints the logs."""
    if (known := record.up(project)) is not None:
        return _of_cluster(project, known, options)
    kept = kept_in(project)
    if kept is not None:
        print(f"Nothing is up. This is what was kept in {kept.relative_to(project.folder)}.", file=sys.stderr)
        names = {_short(path.stem): path for path in sorted(kept.glob("*.log"))}
        files = [_File(name, path, max(map(len, names))) for name, path in names.items()]
    elif options.program and options.program not in _NAMES:
        raise ProjectError(f"There is no {options.program} here; there are {', '.join(_NAMES)}.")
    else:
        files = [_File(name, project.logs / f"{name}.log", _WIDTH) for name in _NAMES]
    files = [file for file in files if file.is_of(options.program)]
    past = [line for _, line in heapq.merge(*(file.read() for file in files), key=lambda item: item[0])]
    if not past and not options.follow:
        raise ProjectError("There are no logs yet. They begin with: make up")
    for line in past[-options.lines :] if options.lines > 0 else []:
        print(line)
    while options.follow and kept is None:
        time.sleep(_PAUSE)
        for _, line in heapq.merge(*(file.read() for file in files), key=lambda item: item[0]):
            print(line, flush=True)
    return 0


def kept_in(project: Project) -> Path | None:
    """What pods had said before `make down`, if that is the latest that there is."""
    if project.records.is_dir() and any(project.records.glob("*.yaml")):
        return None
    files = [*project.logs.glob("*.log"), *project.state.glob("*/logs/*.log")]
    latest = max(files, key=lambda path: path.stat().st_mtime, default=None)
    return None if latest is None or latest.parent == project.logs else latest.parent


def _of_cluster(project: Project, known: ClusterRecord, options: argparse.Namespace) -> int:
    """Of all pods, merged by time, with the last words of containers that ended."""
    place = known.place
    found = pods.of(place)
    choice = _choice(options.program, found, place)
    shown = _Shown({pod.name: pod.short for pod in found})
    once = Once()
    past = [
        line
        for line in pod_logs.past(place, choice, found, max(1, options.lines))
        if once(line) or line.before
    ]
    if not past and not options.follow:
        raise ProjectError(f"No pod in namespace {place.namespace} has said anything yet. See: make status")
    shown.show(past[-options.lines :] if options.lines > 0 else [])
    if options.follow:
        since = max((line.when for line in past), default="")
        path = project.records / f"{known.provider}.yaml"
        Following(place, choice, once, since, shown.show, _tell).run(lambda: not path.exists())
        _tell("`make down` has ended it.")
    return 0


def _choice(whose: str, found: Sequence[pods.Pod], place: Place) -> Choice:
    """Whose lines are wanted.

    Raises:
        ProjectError: There is nobody of that name.
    """
    if whose in ("", "scheduler", "worker"):
        return Choice(component=whose)
    named = [pod.name for pod in found if whose in (pod.name, pod.short)]
    if not named:
        few = ", ".join(pod.short for pod in found[:6])
        more = f" and {len(found) - 6} more" if len(found) > 6 else ""
        raise ProjectError(
            f"There is no pod {whose} in namespace {place.namespace}. There are {few}{more}."
            if found
            else f"There are no pods in namespace {place.namespace}. See: make status"
        )
    return Choice(pod=named[0])


class _Shown:
    """Prints lines with the names of their pods, aligned."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._width = max(map(len, names.values()), default=0)

    def show(self, lines: Sequence[Line]) -> None:
        """Prints lines; those of containers before the present ones are marked."""
        for line in lines:
            name = self._names.setdefault(line.pod, _short(line.pod))
            self._width = max(self._width, len(name))
            mark = "x" if line.before else "|"
            print(f"{name:<{self._width}} {mark} {line.when[:23]}Z {line.words}")
        sys.stdout.flush()


def _short(pod: str) -> str:
    """A pod's name for people, as in `pods.Pod`."""
    found = re.fullmatch(r".*?-(scheduler|worker)-.*?([^-.]+)(\.before)?", pod)
    return f"{found[1]}-{found[2]}{found[3] or ''}" if found else pod


def _tell(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {words}", file=sys.stderr)


class _File:
    """One log, read piece by piece; it may not exist yet, and be begun anew."""

    def __init__(self, name: str, path: Path, width: int = _WIDTH) -> None:
        self._name = name
        self._prefix = f"{name:<{width}} | "
        self._path = path
        self._place = (0, 0)
        self._rest = b""
        self._time = ""

    def is_of(self, whose: str) -> bool:
        """Whether it belongs to somebody."""
        return whose in ("", self._name, self._name.partition("-")[0], self._path.stem)

    def read(self) -> Iterable[tuple[str, str]]:
        """What was written since the last time: the time of each line, and the line with its prefix."""
        return list(self._new_lines())

    def _new_lines(self) -> Iterator[tuple[str, str]]:
        try:
            with open(self._path, "rb") as file:
                inode, offset = self._place
                status = os.fstat(file.fileno())
                if status.st_ino != inode or status.st_size < offset:
                    offset, self._rest, self._time = 0, b"", ""
                file.seek(offset)
                piece = file.read()
                self._place = (status.st_ino, offset + len(piece))
        except FileNotFoundError:
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        texts = [raw.decode(errors="replace") for raw in lines]
        self._time = self._time or next(filter(None, map(_time, texts)), "")
        for line in texts:
            self._time = _time(line) or self._time
            yield self._time, self._prefix + line


def _time(line: str) -> str:
    """When a line was written, or an empty string."""
    return line.split(" ", 1)[0] if _TIME.match(line) else ""
