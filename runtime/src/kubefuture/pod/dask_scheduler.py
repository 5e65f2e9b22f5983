"""Dask's scheduler in a pod: `python -m kubefuture.pod.dask_scheduler`.

Its address takes only those who have the key. The pages for people, with Dask's dashboard where bokeh is installed,
are at 127.0.0.1 in the pod: a forward of kubectl leads there, and nobody else comes there.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from ..core.dask_security import dask_security
from ..core.program import log
from .dask_log import log_as_we_do

PAGES = "127.0.0.1:8787"
"""Where the pages for people are, inside the pod."""

_SETTINGS = {
    # A worker whose element holds Python's lock for long says nothing meanwhile, and is well. TCP notices a lost one.
    "distributed.scheduler.worker-ttl": None,
}


async def _serve(options: argparse.Namespace) -> None:
    import dask
    import distributed

    dask.config.set(_SETTINGS)
    log_as_we_do()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    scheduler = await distributed.Scheduler(
        host="",  # every address, of IPv4 and IPv6 alike, as the cluster decides which of them a pod has
        port=options.port,
        protocol="tls",
        security=dask_security(str(options.certificate), str(options.key)),
        dashboard_address=PAGES,
    )
    log(f"listens; its pages for people are at {PAGES} in this pod")
    options.ready_file.touch()
    await ended.wait()
    await scheduler.close(reason="the pod ends")


def main() -> int:
    """Runs it until it is told to end; returns the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m kubefuture.pod.dask_scheduler", description=__doc__)
    arguments.add_argument("--port", type=int, required=True, help="where it listens")
    arguments.add_argument("--certificate", type=Path, required=True, help="PEM file")
    arguments.add_argument("--key", type=Path, required=True, help="PEM file of its key")
    arguments.add_argument(
        "--ready-file", type=Path, required=True, help="a file that is made when it listens"
    )
    options = arguments.parse_args()
    options.ready_file.unlink(missing_ok=True)
    asyncio.run(_serve(options))
    log("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
