"""Questions for a project's cluster that runs Dask: what `make status` shows of it."""

from __future__ import annotations

import os
import platform
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..core.connection import Connection, joined_place
from ..core.dask_security import dask_security
from ..errors import NoAnswerError

_SECONDS = 10
_CLOSE_SECONDS = 1


@dataclass(frozen=True)
class DaskWorker:
    """A worker that is connected.

    Attributes:
        name: Its pod's.
        host: Its address.
        running: How many tasks run there.
        leaving: It takes no more work.
    """

    name: str
    host: str
    running: int
    leaving: bool


@dataclass(frozen=True)
class DaskStatus:
    """The cluster at a glance.

    Attributes:
        host: Where the scheduler runs.
        python: Its Python's version.
        pid: Its process.
        uptime_s: Since when, in seconds.
        waiting: Tasks that wait.
        running: Tasks that run.
        programs: Connected programs, without the one that asks.
        workers: Its workers.
    """

    host: str
    python: str
    pid: int
    uptime_s: float
    waiting: int
    running: int
    programs: int
    workers: tuple[DaskWorker, ...]


def fetch_dask_status(connection: Connection) -> DaskStatus:
    """The cluster at a glance.

    Raises:
        NoAnswerError: It cannot be reached.
    """
    with dask_client(connection, _SECONDS) as client:
        try:
            found = client.run_on_scheduler(describe)
        except (OSError, ValueError) as error:
            raise no_answer(connection, error) from None
    workers = tuple(DaskWorker(*one) for one in found.pop("workers"))
    return DaskStatus(workers=workers, **found)


@contextmanager
def dask_client(connection: Connection, seconds: float) -> Iterator[Any]:
    """Dask's client for a project's cluster, connected in this block.

    Args:
        connection: The cluster.
        seconds: How long connecting may take.

    Raises:
        NoAnswerError: It cannot be reached.
    """
    client = connect_dask(connection, seconds)
    try:
        yield client
    finally:
        client.close()


def connect_dask(connection: Connection, seconds: float, loop: Any = None) -> Any:
    """The same, for who closes it later.

    Args:
        connection: The cluster.
        seconds: How long connecting may take.
        loop: The event loop that the client is to run in; None for one of its own.

    Raises:
        NoAnswerError: It cannot be reached.
    """
    import distributed

    package: Any = distributed
    # It also warns where versions differ that need not be the same; those that must are compared by us (R12).
    warnings.filterwarnings("ignore", category=package.versions.VersionMismatchWarning)
    host, port = connection.opened()
    client = package.Client.__new__(package.Client)  # so that it can be closed where connecting fails
    # Dask bounds each step of connecting but the reading of the other side's greeting.
    silent = threading.Timer(2 * seconds, connection.broken)
    silent.daemon = True
    silent.start()
    try:
        client.__init__(
            f"tls://{joined_place(host, port)}",
            loop=loop,
            security=dask_security(connection.certificate, connection.private_key),
            set_as_default=False,
            timeout=seconds,
        )
        return client
    except (OSError, ValueError, AssertionError, ImportError) as error:
        close_dask(client)
        connection.broken()
        raise no_answer(connection, error) from None
    finally:
        silent.cancel()


def no_answer(connection: Connection, error: Exception) -> NoAnswerError:
    """What to say where a scheduler cannot be reached, for this reason."""
    return NoAnswerError(
        f"The Dask scheduler of project {connection.project} does not answer at {connection.address} "
        f"({error or type(error).__name__}). See `make status` and `make logs`."
    )


def close_dask(client: Any) -> None:
    """Ends a client whose connection is lost, whatever state that has left it in.

    What fails in the task that reads from the scheduler, Dask raises again at each end, so that the client can never
    be closed; and it tries once more when the object goes, with a traceback and up to a minute.
    """
    with suppress(Exception):
        client.close(timeout=_CLOSE_SECONDS)
    if client.status != "closed":
        client._handle_report_task = None
        with suppress(Exception):
            client.close(timeout=_CLOSE_SECONDS)
        client.status = "closed"


def describe(dask_scheduler: Any) -> dict[str, Any]:
    """Runs on Dask's scheduler, which hands itself over.

    Args:
        dask_scheduler: Dask's own object.
    """
    workers = dask_scheduler.workers.values()
    running = {one.address: min(len(one.processing), one.nthreads) for one in workers}
    wanted = sum(
        task.state in ("waiting", "queued", "no-worker", "processing")
        for task in dask_scheduler.tasks.values()
    )
    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "pid": os.getpid(),
        "uptime_s": time.time() - dask_scheduler.time_started,
        "waiting": wanted - sum(running.values()),
        "running": sum(running.values()),
        "programs": sum(name != "fire-and-forget" for name in dask_scheduler.clients) - 1,
        "workers": [
            (str(one.name), one.host, running[one.address], one.status.name != "running")
            for one in sorted(workers, key=lambda one: str(one.name))
        ],
    }
