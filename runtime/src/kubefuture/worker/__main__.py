"""The worker: `python -m kubefuture.worker`, started by the keeper."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from ..core.connection import Connection
from ..core.program import Readiness, end_on_signals, log, parser
from ..core.resources import slot_environment
from ..errors import KubefutureError
from .supervisor import Supervisor


async def _work(
    connection: Connection, slots_file: Path, threads: int, readiness: Readiness, lifeline: int
) -> str:
    environment = slot_environment(threads, os.environ)
    supervisor = Supervisor(connection, slots_file, environment, readiness.ready, log)
    end_on_signals(lifeline, supervisor.end)
    try:
        return await supervisor.run()
    finally:
        supervisor.close()


def main() -> int:
    """Runs the worker until it is told to end; returns the exit code."""
    arguments = parser("A worker with its slots.")
    arguments.add_argument(
        "--threads-per-slot", type=int, default=1, help="threads of a slot's numerical libraries"
    )
    options = arguments.parse_args()
    readiness = Readiness(options.ready_fd)
    try:
        connection = Connection.load(options.connection)
        reason = uvloop.run(
            _work(connection, options.slots_file, options.threads_per_slot, readiness, options.lifeline_fd)
        )
    except (KubefutureError, OSError) as error:
        reason = str(error)
    if reason:
        log(f"cannot go on: {reason}")
        readiness.error(reason)
        return 1
    log("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
