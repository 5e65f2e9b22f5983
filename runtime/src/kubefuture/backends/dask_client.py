"""The way to a Dask cluster: the package, the client, and whether its workers understand us (R12)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.version import differences, own_environment
from ..errors import KubefutureError, NoAnswerError, PlanError, VersionError

_CONNECT_SECONDS = 30

SILENT_SECONDS = 30.0
"""How long a scheduler may take to say how many workers it has, as while it reads a large piece of data."""


def load_dask() -> Any:
    """Dask's package.

    Raises:
        PlanError: It is not installed.
    """
    try:
        import distributed
    except ImportError:
        raise PlanError(
            "plan('dask') needs the package distributed, which is not installed. In a project, add it to "
            "packages.pip in values.yaml, as `pip: [distributed]`, and call `make up`; elsewhere: "
            "pip install distributed."
        ) from None
    return distributed


def named_by_settings() -> Any:
    """The scheduler's address in Dask's own settings, None if there is none."""
    import dask

    return dask.config.get("scheduler-address", None)


def connected(distributed: Any, address: Any) -> tuple[Any, bool]:
    """A client, and whether it is ours to close.

    Raises:
        NoAnswerError: There is no scheduler at this address.
    """
    if isinstance(address, distributed.Client):
        return address, False
    try:
        return distributed.Client(address, set_as_default=False, timeout=_CONNECT_SECONDS), True
    except (OSError, ValueError) as error:
        raise NoAnswerError(
            f"No Dask scheduler answers at {address} ({error}). Start one with `dask scheduler`, or leave address= "
            "out, and the workers run on this machine."
        ) from None


def link_of(client: Any) -> Any:
    """What stands for a client's connection; None where it has none, or nobody reads from it any more.

    Dask's client makes another one each time that it connects. Its own status says nothing of a reader that has failed.
    """
    link, reader = client.scheduler_comm, client._handle_report_task
    lost = client.status != "running" or link is None or link.comm is None or link.comm.closed()
    return None if lost or reader is None or reader.done() else link


@contextmanager
def asking() -> Iterator[None]:
    """Asks something of Dask in this block; what is raised where the connection ends meanwhile is an OSError.

    Tornado, on which Dask stands, says ValueError where that happens amidst TLS.

    Raises:
        NoAnswerError: The connection has ended so.
    """
    try:
        yield
    except KubefutureError:
        raise
    except ValueError as error:
        raise NoAnswerError(f"The Dask scheduler does not answer ({error}).") from None


def check_workers(
    client: Any, workers: Collection[str] | None = None, advice: str = "Give both the same versions."
) -> None:
    """Looks whether the workers that are there can run our elements.

    Args:
        client: Dask's.
        workers: The addresses of those to ask; None for all.
        advice: What to do where versions differ.

    Raises:
        PlanError: They are threads of this program.
        VersionError: They lack kubefuture, or have other versions.
    """
    name = client.scheduler.address
    if name.startswith("inproc:"):
        raise PlanError(
            "The workers of this Dask cluster are threads of this program, and elements need processes of their own. "
            "Start it with processes=True."
        )
    found = client.run(own_environment, workers=None if workers is None else list(workers), on_error="return")
    own = own_environment()
    for worker, environment in found.items():
        if isinstance(environment, ImportError):
            raise VersionError(
                f"The workers of the Dask cluster at {name} lack a package: {environment}. Install kubefuture there, "
                "in the version that this program has."
            )
        if isinstance(environment, Exception):
            continue  # it has just gone
        wrong = differences(own, environment)
        if wrong:
            raise VersionError(
                f"This program and the Dask worker {worker} do not fit together: {wrong}. {advice}"
            )
