"""The scheduler daemon: `python -m kubefuture.scheduler`, started by the keeper."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import uvloop

from ..core.certificate import server_context
from ..core.connection import Connection, joined_place, split_place
from ..core.descriptors import require_descriptors
from ..core.events import Event, line
from ..core.identity import hello
from ..core.program import Readiness, end_on_signals, log, parser
from ..core.settings import FREE_NO_LEASES, FREE_NO_NEW_WORK
from ..core.slots_file import read_slots, write_slots
from ..core.trim import keep_one_heap
from ..errors import JournalBusyError, KubefutureError, StartError
from ..machine.machine import Machine
from .board import Board
from .deployment import Deployment
from .expecting import Expected
from .gate import Gate
from .journal import Journal
from .lease_numbers import first_lease
from .listening import listen_tcp, listen_unix
from .news import News
from .pods_gone import look_for
from .restoring import restored_maps
from .server import Server
from .storing import Store
from .wall_clock import WallClock

if TYPE_CHECKING:
    import ssl

_PREDECESSOR_SECONDS, _PREDECESSOR_PAUSE = 120.0, 1.0
"""How long a pod waits for the one before it to end, and between two looks."""

Listener = tuple[socket.socket, "ssl.SSLContext | None"]
"""A socket, and TLS for it if it is a network's."""


async def _serve(connection: Connection, options: argparse.Namespace, readiness: Readiness) -> int:
    """Serves until it is told to end, or cannot go on; returns the exit code."""
    ended = asyncio.Event()
    end_on_signals(options.lifeline_fd, ended.set)
    slots_file: Path = options.slots_file
    news = News(log)
    listeners = _listeners(connection, options)  # they are not listened on before all is restored
    deployment = Deployment(options.deployment, news) if options.deployment else None
    journal = await _open_journal(options) if options.journal else None
    events: list[Event] = []
    machine = Machine(
        hello("scheduler"),
        now=time.monotonic(),
        wanted=read_slots(slots_file) if deployment is None else await asyncio.to_thread(deployment.ordered),
        elastic=deployment is not None,
        first_lease=first_lease(slots_file.with_name(f"{slots_file.name}.leases"), log),
        next_key=None if journal is None else journal.next_key,
        events=events,
    )
    log(line("scheduler-started", epoch=machine.epoch))
    WallClock(news).watch()
    failures: list[str] = []

    def failed(sentence: str) -> None:
        failures.append(sentence)
        ended.set()

    store = Store(options.journal or slots_file.parent, journal, news, failed)
    if journal is not None and store.rows is not None:
        machine.restore(restored_maps(journal, store.rows), time.monotonic())

    def scaled(slots: int) -> None:
        if deployment is not None:  # which remembers it as well
            deployment.scale(slots, machine.status(time.monotonic()).workers)
            return
        try:
            write_slots(slots_file, slots)
        except OSError as error:
            news(f"the wanted number of slots cannot be recorded in {slots_file}: {error}")

    expected = Expected(slots_file.with_name(f"{slots_file.name}.workers"), time.monotonic(), log)
    server = Server(connection.key, machine, news, scaled, journal, expected, events, options.blobs, store)
    looking = None
    if deployment is not None:
        looking = asyncio.create_task(look_for(expected, server.absent, deployment.has))
    gates = [Gate(listener, server, tls) for listener, tls in listeners]
    log(f"listening at {' and '.join(_address(listener) for listener, _ in listeners)}")
    if options.page:
        from .web import show  # http.server is much to load where nobody looks

        show(options.page, Board(machine, connection.project, news), log)
    readiness.ready()
    await ended.wait()
    if looking is not None:
        looking.cancel()
    for gate in gates:
        gate.close()
    server.close()
    if journal is not None:
        journal.close()
    for path in (connection.socket_path, options.page.removeprefix("unix:")):
        if path.startswith("/"):
            Path(path).unlink(missing_ok=True)
    log(f"cannot go on: {failures[0]}" if failures else "ended")
    return 1 if failures else 0


async def _open_journal(options: argparse.Namespace) -> Journal:
    """Opens the journal; where a pod may still have it that is about to end, waits for that."""
    until = time.monotonic() + (_PREDECESSOR_SECONDS if options.deployment else 0.0)
    while True:
        try:
            return Journal.open(options.journal, _about_journal, **_limits(options.journal_bytes))
        except JournalBusyError as error:
            if time.monotonic() > until:
                raise
            log(f"waiting for the scheduler before: {error}")
        await asyncio.sleep(_PREDECESSOR_PAUSE)


def _limits(size: int) -> dict[str, int]:
    """How much the journal may take of a volume of its own, and how much of that has to stay free (R16)."""
    if not size:
        return {}
    return {
        "limit_bytes": size,
        "free_no_new_work": min(FREE_NO_NEW_WORK, size // 10),
        "free_no_leases": min(FREE_NO_LEASES, size // 20),
    }


def _about_journal(sentence: str) -> None:
    log(line("journal", told=sentence))


def _listeners(connection: Connection, options: argparse.Namespace) -> list[Listener]:
    """Where to listen: the connection file's Unix socket, the network address of --listen, or both."""
    found: list[Listener] = []
    if options.listen:
        if not options.tls_certificate or not options.tls_key:
            raise StartError("--listen needs --tls-certificate and --tls-key: TCP is used only with TLS.")
        tls = server_context(options.tls_certificate, options.tls_key)
        try:
            host, port = split_place(options.listen)
        except ValueError as error:
            raise StartError(
                f"--listen: {error}, as in 0.0.0.0:7000, or [::]:7000 for IPv4 and IPv6."
            ) from None
        found.append((listen_tcp(host, port), tls))
    if connection.socket_path:
        found.append((listen_unix(connection.socket_path), None))
    if not found:
        raise StartError(
            f"The connection file names {connection.address}, so --listen must say where to listen for it."
        )
    return found


def _address(listener: socket.socket) -> str:
    address = listener.getsockname()
    if not isinstance(address, tuple):
        return f"unix:{address}"
    return f"tcp:{joined_place(*address[:2])}"


def main() -> int:
    """Runs the scheduler until it is told to end; returns the exit code."""
    arguments = parser("The scheduler of one project.")
    arguments.add_argument("--journal", type=Path, metavar="FOLDER", help="where named work is kept")
    arguments.add_argument(
        "--journal-bytes", type=int, default=0, metavar="N",
        help="the size of the volume that the journal is on, if it has one of its own",
    )  # fmt: skip
    arguments.add_argument(
        "--listen", metavar="HOST:PORT", help="a network address, with TLS; [::]:PORT is every one"
    )
    arguments.add_argument("--tls-certificate", type=Path, metavar="FILE", help="PEM")
    arguments.add_argument("--tls-key", type=Path, metavar="FILE", help="PEM; its mode must be 0600")
    arguments.add_argument(
        "--blobs", type=Path, metavar="FOLDER",
        help="where captured data is kept; by default in the journal's folder, or else in a temporary one",
    )  # fmt: skip
    arguments.add_argument(
        "--deployment",
        metavar="NAMESPACE/NAME",
        help="on Kubernetes: the workers are its pods, one slot each",
    )
    arguments.add_argument(
        "--page",
        default="",
        metavar="PLACE",
        help="where a page for browsers is: 127.0.0.1:PORT, or unix: and a path",
    )
    options = arguments.parse_args()
    readiness = Readiness(options.ready_fd)
    keep_one_heap()
    try:
        require_descriptors()
        connection = Connection.load(options.connection)
        with TemporaryDirectory(prefix="kubefuture-blobs-") as folder:
            options.blobs = options.blobs or (
                options.journal.with_name(f"{options.journal.name}-blobs")
                if options.journal
                else Path(folder)
            )
            return uvloop.run(_serve(connection, options, readiness))
    except (KubefutureError, OSError) as error:
        log(f"cannot start: {error}")
        readiness.error(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
