"""One worker process of Dask's in a pod: `python -m kubefuture.pod.dask_worker`, kept running by `dask_supervisor`.

It runs one element at a time. Told to go, it drains (R17): it takes nothing more, gives back what it has not begun,
finishes what it runs, leaves its results to others, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.dask_security import dask_security
from ..core.program import log
from ..worker.lifetime import die_with_parent
from .dask_log import log_as_we_do

_SETTINGS = {
    # Looks at all threads a hundred times a second, in which Python 3.11 before 3.11.9 can hang for ever (gh-106883).
    "distributed.worker.profile.enabled": False,
}

_PAUSE = 0.1
_FETCH_SECONDS = 2.0
"""How long results that are done wait for the program that wants them, before they are moved to other workers."""

_MOVE_SECONDS = 20.0
"""How long moving them may take."""


async def _work(options: argparse.Namespace) -> None:
    import dask
    import distributed

    dask.config.set(_SETTINGS)
    log_as_we_do()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if told.is_set():  # told twice, it ends at once
            os._exit(1)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    worker: Any = distributed.Worker(
        f"tls://{options.scheduler}",
        nthreads=1,
        name=options.name,
        host=options.host,
        port=options.port,
        protocol="tls",
        security=dask_security(str(options.certificate), str(options.key)),
        memory_limit=0,  # who keeps this process running looks at its memory
        local_directory=str(options.folder),
        dashboard_address="127.0.0.1:0",
    )
    starting = asyncio.ensure_future(worker.start())
    leaving = asyncio.ensure_future(told.wait())
    await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log("told to go before the scheduler had answered")
        return
    starting.result()
    options.ready_file.touch()
    log("is ready")
    over = asyncio.ensure_future(worker.finished())
    await asyncio.wait({over, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if over.done():
        log("the scheduler is gone, or has ended this worker")
        return
    options.ready_file.unlink(missing_ok=True)
    log("told to go: finishes what it runs")
    with suppress(TimeoutError):
        await asyncio.wait_for(drain(worker), options.drain_seconds)
    await leave(worker)


async def drain(worker: Any) -> None:
    """Takes nothing more, and returns when what runs has ended.

    Args:
        worker: Dask's worker.
    """
    from distributed.core import Status

    worker.status = Status.paused
    while True:
        give_back(worker)
        if not any(task.state != "cancelled" for task in worker.state.executing) or worker.status in (
            Status.closing,
            Status.closed,
        ):
            return
        await asyncio.sleep(_PAUSE)


def give_back(worker: Any) -> None:
    """Tells the scheduler to run elsewhere what has not begun here."""
    from distributed.worker_state_machine import FreeKeysEvent

    keys = [key for key, task in worker.state.tasks.items() if task.state in ("ready", "waiting")]
    if not keys:
        return
    stimulus = f"kubefuture-drain-{time.time()}"
    worker.handle_stimulus(FreeKeysEvent(keys=keys, stimulus_id=stimulus))
    for key in keys:
        worker.batched_send({"op": "reschedule", "key": key, "stimulus_id": stimulus})


async def leave(worker: Any) -> None:
    """Leaves results that nobody has fetched yet to other workers, and says goodbye.

    Args:
        worker: Dask's worker.
    """
    until = time.monotonic() + _FETCH_SECONDS
    while worker.data and time.monotonic() < until:
        await asyncio.sleep(_PAUSE)
    with suppress(TimeoutError, OSError):
        await asyncio.wait_for(worker.close_gracefully(reason="the pod ends"), _MOVE_SECONDS)
    await worker.close(timeout=1, executor_wait=False)


def main() -> int:
    """Runs it until it is told to end; returns the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m kubefuture.pod.dask_worker", description=__doc__)
    arguments.add_argument("--scheduler", required=True, metavar="HOST:PORT", help="where the scheduler is")
    arguments.add_argument("--host", required=True, help="this pod's address")
    arguments.add_argument("--port", type=int, required=True, help="where it listens")
    arguments.add_argument("--name", required=True, help="a name that no other worker has")
    arguments.add_argument("--certificate", type=Path, required=True, help="PEM file")
    arguments.add_argument("--key", type=Path, required=True, help="PEM file of its key")
    arguments.add_argument("--folder", type=Path, required=True, help="where Dask puts files")
    arguments.add_argument("--drain-seconds", type=float, required=True, help="how long what runs may go on")
    arguments.add_argument(
        "--ready-file", type=Path, required=True, help="a file that is made when it is ready"
    )
    arguments.add_argument("--parent", type=int, required=True, help="the process that it ends with")
    options = arguments.parse_args()
    die_with_parent(options.parent)
    asyncio.run(_work(options))
    log("ended")
    sys.stderr.flush()
    os._exit(0)  # an element that runs on, or threads that it has left, keep nobody here


if __name__ == "__main__":
    sys.exit(main())
