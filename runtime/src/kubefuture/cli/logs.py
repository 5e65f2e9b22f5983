"""`logs`: what keeper, scheduler and worker say, in one stream.

Each line of ours begins with its time, by which the files are merged; lines without one (a
traceback, what the user's code prints) stay behind the line they followed, or before the one they precede.
"""

from __future__ import annotations

import argparse
import heapq
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

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
    parser.add_argument("program", nargs="?", choices=_NAMES, help="only this one's")


def run(project: Project, options: argparse.Namespace) -> int:
    """Prints the logs."""
    names = [options.program] if options.program else list(_NAMES)
    files = [_File(name, project.logs / f"{name}.log") for name in names]
    past = [line for _, line in heapq.merge(*(file.read() for file in files), key=lambda item: item[0])]
    if not past and not options.follow:
        raise ProjectError("There are no logs yet. They begin with: make up")
    for line in past[-options.lines :] if options.lines > 0 else []:
        print(line)
    while options.follow:
        time.sleep(_PAUSE)
        for _, line in heapq.merge(*(file.read() for file in files), key=lambda item: item[0]):
            print(line, flush=True)
    return 0


class _File:
    """One log, read piece by piece; it may not exist yet, and be begun anew."""

    def __init__(self, name: str, path: Path) -> None:
        self._prefix = f"{name:<{_WIDTH}} | "
        self._path = path
        self._place = (0, 0)
        self._rest = b""
        self._time = ""

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
