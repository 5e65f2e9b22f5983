"""`forward`: a page for browsers at an address of this machine, for as long as this runs.

browser ──> 127.0.0.1:8080 ──> forward of kubectl, or the socket of what runs here ──> the scheduler's page
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import socket
import sys
import time
from dataclasses import dataclass

from ..core.doorway import Doorway, Way
from ..core.ways import ClusterWay, SocketWay
from ..errors import NotUpError
from ..keeper.places import Places
from ..project import deployed, forwarding
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.record import LOCAL

_WISHED = range(8080, 8090)
"""Ports that are tried one after the other when none was asked for, before any other one."""


@dataclass(frozen=True)
class _Goal:
    provider: str
    way: Way
    path: str
    shows: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--port", default="", help="at which port of this machine (8080, or the next free one)"
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Keeps the page open until Ctrl-C, or until `make down`."""
    asked = _asked(options.port)
    goal = _goal(project)
    there = forwarding.address_of(project)
    if there:
        print(f"`make forward` runs already: {there} shows {goal.shows}.")
        return 0
    listener = _listen(asked)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}{goal.path}"
    with listener, forwarding.announced(project, address) as first:
        if not first:
            raise ProjectError("Another `make forward` of this project has just been started.")
        print(f"{address} shows {goal.shows} of {project.name}, to browsers on this machine. Ctrl-C ends it.")
        record = project.records / f"{goal.provider}.yaml"
        try:
            asyncio.run(Doorway(goal.way, _say).keep(listener, lambda: not record.exists()))
        except KeyboardInterrupt:
            print("\nClosed.")
            return 0
    print("Closed: `make down` has ended what it led to.")
    return 0


def _goal(project: Project) -> _Goal:
    """Where to lead.

    Raises:
        NotUpError: Nothing is up.
        ProjectError: There is no page, or it cannot be told.
    """
    for one in deployed.read_all(project):
        if one.provider == LOCAL:
            if not project.connection_file.exists():
                continue
            path = Places.of(project).page
            return _Goal(LOCAL, SocketWay(str(path)), "/", "the workers, maps and troubles")
        from ..kube import record
        from ..kube.page import page_of

        known = record.read(project, one.provider)
        if known is not None:
            page = page_of(known.place)
            return _Goal(one.provider, ClusterWay(page.route), page.path, page.shows)
    raise NotUpError("Nothing is up in this project. Start the workers first: make up")


def _asked(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ProjectError(
            f"PORT is {text}; allowed is a number from 1 to 65535, as in: make forward PORT=9000"
        )
    return int(text)


def _listen(asked: int) -> socket.socket:
    """A door at the port that was asked for, or at one that is free.

    Raises:
        ProjectError: It cannot be had.
    """
    for port in (asked,) if asked else (*_WISHED, 0):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"Port {port} of this machine is used by another program."
            elif isinstance(error, PermissionError):
                why = f"Ports below 1024, such as {port}, are for the machine's administrator."
            else:
                why = f"Port {port} of this machine cannot be had ({error.strerror})."
    raise ProjectError(f"{why} Choose another one, as in: make forward PORT=9000")


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {words}", file=sys.stderr)
