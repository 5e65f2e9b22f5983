"""The scheduler daemon: `python -m kubefuture.scheduler`, started by the keeper."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from pathlib import Path

import uvloop

from ..core.connection import Connection
from ..core.identity import hello
from ..core.program import Readiness, end_on_signals, log, parser
from ..core.slots_file import read_slots, write_slots
from ..errors import KubefutureError, StartError
from ..machine.machine import Machine
from .server import Server


async def _serve(connection: Connection, slots_file: Path, readiness: Readiness, lifeline: int) -> None:
    ended = asyncio.Event()
    end_on_signals(lifeline, ended.set)
    machine = Machine(hello("scheduler"), now=time.monotonic(), wanted=read_slots(slots_file))

    def scaled(slots: int) -> None:
        try:
            write_slots(slots_file, slots)
        except OSError as error:
            log(f"the wanted number of slots cannot be recorded in {slots_file}: {error}")
        log(f"scaled to {slots} slots")

    server = Server(connection.key, machine, log, scaled)
    listener = _listen(connection.socket_path)
    service = await asyncio.get_running_loop().create_unix_server(
        server.protocol, sock=listener, backlog=1024
    )
    log(f"listening at {connection.address}")
    readiness.ready()
    await ended.wait()
    service.close()
    server.close()
    Path(connection.socket_path).unlink(missing_ok=True)  # from Python 3.13 on, closing has removed it
    log("ended")


def _listen(path: str) -> socket.socket:
    """Binds the socket, over one that a dead scheduler left, but never over a living one's."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if _answers(path):
                raise StartError(
                    f"Somebody already listens at {path}, so a second scheduler cannot. "
                    "Run `make down`, then `make up`."
                ) from None
            os.unlink(path)
            listener.bind(path)
        os.chmod(path, 0o600)
    except OSError as error:
        listener.close()
        raise StartError(f"The socket {path} cannot be made: {error.strerror or error}.") from None
    except StartError:
        listener.close()
        raise
    return listener


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def main() -> int:
    """Runs the scheduler until it is told to end; returns the exit code."""
    arguments = parser("The scheduler of one project.").parse_args()
    readiness = Readiness(arguments.ready_fd)
    try:
        connection = Connection.load(arguments.connection)
        uvloop.run(_serve(connection, arguments.slots_file, readiness, arguments.lifeline_fd))
    except (KubefutureError, OSError) as error:
        log(f"cannot start: {error}")
        readiness.error(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
