"""`python -m kubefuture.pod scheduler|worker|check|dask-scheduler|dask-worker`: what the chart's containers run."""

from __future__ import annotations

import argparse
import os
import sys
import time

from ..core.connection import DASK, NATIVE, Connection
from ..core.program import log
from ..errors import KubefutureError, NoAnswerError
from .files import RUN, STATE, one_slot, size_in_bytes, write_connection, write_key

_DASK_WORKER_PORT = 7001
"""Where a worker of Dask's listens: to the scheduler, and to other workers, which fetch results from it."""

_CHECK_TRIES = 6
_CHECK_PAUSE_SECONDS = 2.0
"""A check is a new pod, and the network lets that in a little later than it begins."""

PAGE = "127.0.0.1:8080"
"""The page for browsers, which only a forward into the pod reaches; the chart names the port, too."""


def main() -> int:
    """Becomes the program that is asked for; returns the exit code if that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m kubefuture.pod", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    scheduler, worker, check, dask_scheduler, dask_worker = (roles.add_parser(name) for name in _ROLES)
    for one in (scheduler, worker, check):
        one.add_argument("--project", required=True, help="its name")
    for one in (worker, check, dask_worker):
        one.add_argument("--scheduler", required=True, metavar="HOST:PORT", help="where the scheduler is")
    for one in (worker, dask_worker):
        one.add_argument("--threads-per-slot", default="1", help="threads of numerical libraries")
    for one in (scheduler, dask_scheduler):
        one.add_argument("--port", type=int, default=7000, help="where it listens")
    scheduler.add_argument("--deployment", required=True, help="the workers', which it scales")
    scheduler.add_argument("--namespace", required=True, help="its namespace")
    scheduler.add_argument(
        "--volume", default="0", metavar="SIZE", help="how large its volume is, such as 10Gi"
    )
    check.add_argument("--engine", choices=(NATIVE, DASK), default=NATIVE, help="whose scheduler it is")
    dask_worker.add_argument("--address", required=True, help="the pod's own")
    dask_worker.add_argument("--drain-seconds", default="300", help="how long what runs may go on at the end")
    options = parser.parse_args()
    try:
        if options.role == "check":
            return _check(options)
        (RUN / "ready").unlink(missing_ok=True)
        program, arguments = _PROGRAMS[options.role](options)
    except (KubefutureError, OSError) as error:
        log(f"cannot start: {error}")
        return 1
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", f"kubefuture.{program}", *arguments])


def _scheduler(options: argparse.Namespace) -> tuple[str, list[str]]:
    certificate, key = write_key()
    return "scheduler", [
        f"--connection={write_connection(options.project, f'127.0.0.1:{options.port}')}",
        f"--slots-file={STATE / 'slots'}",
        f"--listen=[::]:{options.port}",
        f"--tls-certificate={certificate}",
        f"--tls-key={key}",
        f"--journal={STATE / 'journal'}",
        f"--journal-bytes={size_in_bytes(options.volume)}",
        f"--blobs={STATE / 'blobs'}",
        f"--deployment={options.namespace}/{options.deployment}",
        f"--page={PAGE}",
    ]


def _worker(options: argparse.Namespace) -> tuple[str, list[str]]:
    return "worker", [
        f"--connection={write_connection(options.project, options.scheduler)}",
        f"--slots-file={one_slot()}",
        f"--threads-per-slot={options.threads_per_slot}",
        f"--blobs={STATE / 'blobs'}",
        f"--state={STATE / 'in-flight'}",
        f"--place={os.uname().nodename}",
        f"--ready-file={RUN / 'ready'}",
        "--drain",
    ]


def _dask_scheduler(options: argparse.Namespace) -> tuple[str, list[str]]:
    return "pod.dask_scheduler", [f"--port={options.port}", *_dask_files()]


def _dask_worker(options: argparse.Namespace) -> tuple[str, list[str]]:
    return "pod.dask_supervisor", [
        f"--threads-per-slot={options.threads_per_slot}",
        f"--scheduler={options.scheduler}",
        f"--host={f'[{options.address}]' if ':' in options.address else options.address}",
        f"--port={_DASK_WORKER_PORT}",
        f"--name={os.uname().nodename}",
        f"--folder={STATE}",
        f"--drain-seconds={options.drain_seconds}",
        *_dask_files(),
    ]


def _dask_files() -> list[str]:
    certificate, key = write_key()
    return [f"--certificate={certificate}", f"--key={key}", f"--ready-file={RUN / 'ready'}"]


def _check(options: argparse.Namespace) -> int:
    connection = Connection.load(write_connection(options.project, options.scheduler, options.engine))
    for left in reversed(range(_CHECK_TRIES)):
        try:
            host, workers = _asked(connection)
        except NoAnswerError:
            if not left:
                raise
            time.sleep(_CHECK_PAUSE_SECONDS)
            continue
        print(f"the scheduler on {host} answers; {workers} workers are connected")
        break
    return 0


def _asked(connection: Connection) -> tuple[str, int]:
    """The scheduler's host, and how many workers it has."""
    if connection.engine == DASK:
        from ..client.dask_control import fetch_dask_status

        dask = fetch_dask_status(connection)
        return dask.host, len(dask.workers)
    from ..client.control import fetch_status

    status = fetch_status(connection)
    return status.host, sum(worker.slots for worker in status.workers)


_ROLES = ("scheduler", "worker", "check", "dask-scheduler", "dask-worker")

_PROGRAMS = {
    "scheduler": _scheduler,
    "worker": _worker,
    "dask-scheduler": _dask_scheduler,
    "dask-worker": _dask_worker,
}


if __name__ == "__main__":
    sys.exit(main())
