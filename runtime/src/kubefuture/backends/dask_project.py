"""The project's own cluster that runs Dask: what `make up` started with `engine: dask`.

    Dask's client ── TLS ──> 127.0.0.1:PORT ── forward of kubectl ══> Dask's scheduler in its pod ──> workers' pods

Dask's client would connect again by itself, but may wait for ever after what comes at a bad moment, as an end of the
connection amidst TLS; so another client takes its place, by a forward that is opened anew. A cut costs time: what was
with Dask runs again. A thread asks the scheduler now and then whether it is there: a way through a cluster can be open
and lead to nobody, and few calls of Dask's have an end then.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from ..client.dask_control import close_dask, connect_dask, no_answer
from ..client.trying import Trying
from ..core.connection import DASK, Connection
from ..core.notice import say
from ..errors import ClusterError, KubefutureError, PlanError
from ..kube.place import place_of_connection
from ..kube.scaling import set_replicas
from .dask_client import SILENT_SECONDS, asking, check_workers, link_of
from .dask_loop import DaskLoop
from .dask_workers import silence

_CONNECT_SECONDS = 30.0

_AGAIN_SECONDS = 5.0
"""How long another client may try at first, and longer later: a forward that was opened too early leads nowhere."""

_PAUSE_SECONDS = 1.0
"""Between two of them."""

_ASK_SECONDS = 5.0
"""How often the scheduler is asked whether it is there."""

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
        self._checked: set[str] = set()
        self._trying: Trying | None = None
        self._lost_at = 0.0
        self._tried_at = 0.0
        self._client: Any = None
        self._way: object = None
        self._loop = DaskLoop()
        self._ended = threading.Event()
        silence.begin()

    def connect(self) -> tuple[Any, bool]:
        """Dask's client, which is ours to close."""
        client = self._connect(_CONNECT_SECONDS)
        threading.Thread(target=self._listen, name="kubefuture-dask-listen", daemon=True).start()
        try:
            slots = self.slots(client)
        except TimeoutError:
            raise no_answer(self._connection, TimeoutError(f"nothing for {SILENT_SECONDS:.0f} s")) from None
        say(
            f"using Dask on the {self._connection.provider} cluster of project {self._connection.project}, "
            f"{slots} worker{'s' if slots != 1 else ''}"
        )
        return client, True

    def why_no_slots(self, client: Any) -> str:
        """Why there is no worker."""
        if link_of(client) is None:
            return "the connection to the Dask scheduler is lost and tried again"
        return "the cluster has none at the moment; see `make status` and `make logs`, or `make scale N=2`"

    def slots(self, client: Any) -> int:
        """How many workers take work; those that leave take none.

        Raises:
            OSError: The scheduler does not say.
            VersionError: One does not fit, as after `make up` with other packages (R12).
        """
        with asking():
            found = set(client.sync(client.scheduler.ncores_running, callback_timeout=SILENT_SECONDS))
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
        """Another client where the connection is lost."""
        if link_of(client) is not None:
            self._trying = None
            return client
        now = time.monotonic()
        if self._trying is None:
            self._trying, self._lost_at = Trying(self._connection, now), now
        if now - self._tried_at > _PAUSE_SECONDS:
            try:
                return self._replaced(
                    client, min(_CONNECT_SECONDS, max(_AGAIN_SECONDS, (now - self._lost_at) / 2))
                )
            except OSError as error:
                self._trying.failed(error, time.monotonic())
        return client

    def _replaced(self, client: Any, seconds: float) -> Any:
        """Another client, by a way that is opened anew."""
        try:
            close_dask(client)
            self._break()
            if self._ended.is_set():
                return client
            self._connection = Connection.load(self._path)  # after `make rotate` they are others
            return self._connect(seconds)
        finally:
            self._tried_at = time.monotonic()

    def _connect(self, seconds: float) -> Any:
        self._client = connect_dask(self._connection, seconds, self._loop.loop)
        self._way = self._connection.way
        return self._client

    def _listen(self) -> None:
        """Asks whether the scheduler is there, in a thread of its own; breaks the way where it does not say."""
        silent: Any = None
        while not self._ended.wait(_ASK_SECONDS):
            client = self._client
            if (link := link_of(client)) is None:
                continue
            try:
                client.sync(client.scheduler.ncores_running, callback_timeout=SILENT_SECONDS)
                silent = None
            except TimeoutError:
                if silent is not link:  # once, as after a program that was stopped
                    silent = link
                elif link_of(client) is link:
                    self._cut(client, link)
            except Exception:
                pass  # it has noticed itself

    def _cut(self, client: Any, link: Any) -> None:
        """Ends all that goes by a silent way, so that whoever waits for something there gets an error."""
        self._break()
        client.loop.add_callback(link.abort)
        client.loop.add_callback(client.rpc.close)

    def _break(self) -> None:
        """Ends the client's way, unless somebody else in this program has opened it anew."""
        if self._connection.way is self._way:
            self._connection.broken()

    def stop(self) -> None:
        """Tries no more."""
        self._ended.set()

    def close(self) -> None:
        """Ends what is ours."""
        self._ended.set()
        if self._client is not None:
            close_dask(self._client)
        self._loop.close()
        silence.end()
