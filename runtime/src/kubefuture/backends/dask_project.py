"""The project's own cluster that runs Dask: what `make up` started with `engine: dask`.

    Dask's client ── TLS ──> 127.0.0.1:PORT ── forward of kubectl ══> Dask's scheduler in its pod ──> workers' pods

Dask's client connects again by itself to where it was. The forward is opened anew at the same port, so a cut costs
time: what was with Dask runs again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..client.dask_control import connect_dask
from ..core.connection import DASK, Connection, joined_place
from ..core.notice import say
from ..core.settings import FAR_RECONNECT_SECONDS
from ..errors import ClusterError, KubefutureError, NoAnswerError, PlanError
from ..kube.place import place_of_connection
from ..kube.scaling import set_replicas
from .dask_client import check_workers
from .dask_workers import silence

_CONNECT_SECONDS = 30.0
_AGAIN_SECONDS = 5.0
"""How long an open forward may lead nowhere before another one is opened, and how long connecting may take then."""

_ADVICE = "Run the program with `make run`, or `make up` if packages have changed, and start it again."


class DaskProject:
    """The way to it.

    Args:
        path: The connection file.

    Raises:
        ClusterError: There is no cluster.
        PlanError: The file is of a cluster that does not run Dask.
    """

    wanted: int | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = Connection.load(path)
        if self._connection.engine != DASK:
            raise PlanError(f"The cluster of {path} does not run Dask: choose plan('cluster').")
        self._reached = ("", "")
        self._checked: set[str] = set()
        self._lost_at = 0.0
        self._tried_at = 0.0
        silence.begin()

    def connect(self) -> tuple[Any, bool]:
        """Dask's client, which is ours to close."""
        client = self._connect(_CONNECT_SECONDS)
        slots = self.slots(client)
        say(
            f"using Dask on the {self._connection.provider} cluster of project {self._connection.project}, "
            f"{slots} worker{'s' if slots != 1 else ''}"
        )
        return client, True

    def why_no_slots(self, client: Any) -> str:
        """Why there is no worker."""
        if client.status != "running":
            return "the connection to the Dask scheduler is lost and tried again"
        return "the cluster has none at the moment; see `make status` and `make logs`, or `make scale N=2`"

    def slots(self, client: Any) -> int:
        """How many workers take work; those that leave take none.

        Raises:
            VersionError: One does not fit, as after `make up` with other packages (R12).
        """
        found = set(client.sync(client.scheduler.ncores_running))
        if fresh := found - self._checked:
            check_workers(client, fresh, _ADVICE)
        self._checked = found
        return len(found)

    def host_of(self, worker: Any) -> str:
        """Its pod."""
        return str(worker.name)

    def scale(self, slots: int) -> None:
        """Changes how many pods there are."""
        place = place_of_connection(self._connection)
        if place is None:
            raise PlanError(f"The cluster of {self._path} is not reached by kubectl, so it cannot be scaled.")
        try:
            set_replicas(place, slots)
        except KubefutureError as error:
            raise ClusterError(str(error)) from None

    def kept(self, client: Any) -> Any:
        """Keeps the way open; another client where this one cannot come back."""
        if client.status == "running":
            self._lost_at = 0.0
            return client
        now = time.monotonic()
        if not self._lost_at:
            self._lost_at = self._tried_at = now
        if now - self._lost_at > FAR_RECONNECT_SECONDS:
            raise NoAnswerError(
                f"The Dask scheduler of project {self._connection.project} went away and has not come back for "
                f"{FAR_RECONNECT_SECONDS:.0f} s. What had not finished is lost; `make up` and run again."
            )
        with suppress(OSError):
            if now - self._tried_at > _AGAIN_SECONDS:
                self._connection.broken()
                self._connection = Connection.load(self._path)  # after `make rotate` they are others
            return self._again(client)
        return client

    def _again(self, client: Any) -> Any:
        """Opens the forward if it is not open; makes another client where this one cannot come back."""
        fresh = not self._connection.is_open
        host, port = self._connection.opened()
        if fresh:
            self._tried_at = time.monotonic()
        if client.status == "connecting" and self._reached == (
            f"tls://{joined_place(host, port)}",
            self._connection.certificate,
        ):
            return client
        with suppress(Exception):
            client.close(timeout=1)
        self._tried_at = time.monotonic()
        return self._connect(_AGAIN_SECONDS)

    def _connect(self, seconds: float) -> Any:
        client = connect_dask(self._connection, seconds)
        self._reached = client.scheduler.address, self._connection.certificate
        return client

    def close(self) -> None:
        """Ends what is ours."""
        silence.end()
