"""The worker: `python -m kubefuture.worker`, started by the keeper."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from ..core.connection import Connection
from ..core.descriptors import require_descriptors
from ..core.program import Readiness, end_on_signals, log, parser
from ..core.resources import slot_environment
from ..core.trim import keep_one_heap
from ..errors import KubefutureError
from .supervisor import Supervisor


async def _work(connection: Connection, options: argparse.Namespace, readiness: Readiness) -> str:
    environment = slot_environment(options.threads_per_slot, os.environ)

    def ready() -> None:
        readiness.ready()
        if options.ready_file is not None:
            options.ready_file.touch()

    supervisor = Supervisor(
        connection,
        options.slots_file,
        environment,
        ready,
        log,
        options.place,
        options.blobs,
        options.state,
    )
    supervisor.limit_memory(options.memory_per_slot)
    end_on_signals(options.lifeline_fd, supervisor.drain if options.drain else supervisor.end)
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
    arguments.add_argument("--place", default="", help="a name that no other worker has at the same time")
    arguments.add_argument(
        "--memory-per-slot",
        type=int,
        default=0,
        help="bytes; the slots share as many times this; 0 for no limit but the container's",
    )
    arguments.add_argument(
        "--blobs",
        type=Path,
        metavar="FOLDER",
        help="where captured data is kept; by default a temporary folder",
    )
    arguments.add_argument(
        "--state", type=Path, help="a folder that a restart of the container survives, for what is in flight"
    )
    arguments.add_argument("--ready-file", type=Path, help="a file that is made when its slots are ready")
    arguments.add_argument(
        "--drain", action="store_true", help="told to end, finish what runs first; told twice, end at once"
    )
    options = arguments.parse_args()
    readiness = Readiness(options.ready_fd)
    keep_one_heap()
    try:
        require_descriptors()
        connection = Connection.load(options.connection)
        with TemporaryDirectory(prefix="kubefuture-blobs-") as folder:
            options.blobs = options.blobs or Path(folder)
            reason = uvloop.run(_work(connection, options, readiness))
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
