"""Which Dask it is: workers of this program's own, or a cluster that is there. The project's is `dask_project`."""

from __future__ import annotations

import time
from typing import Any, Protocol

from ..errors import NoAnswerError, PlanError
from .dask_client import SILENT_SECONDS, asking, check_workers, connected, link_of
from .dask_workers import DaskWorkers

_COME_BACK_SECONDS = 60.0
"""How long a client may try to come back, at least. Dask's own limit is 30 s unless its user has said another one, but
what comes amidst its attempt ends them all."""

_GONE = "The Dask scheduler has gone away. Start it again, and call kf.plan."


class DaskCluster(Protocol):
    """What the back end needs to know of one. Its methods are called in the back end's thread, but `scale`."""

    @property
    def wanted(self) -> int | None:
        """How many workers there are to be, where that is ours to say."""

    def connect(self) -> tuple[Any, bool]:
        """Dask's client, and whether it is ours to close.

        Raises:
            ClusterError: Nobody answers, or the workers do not fit.
        """

    def kept(self, client: Any) -> Any:
        """Keeps the connection; called often.

        Args:
            client: Dask's client.

        Returns:
            It, or another one in its place.

        Raises:
            NoAnswerError: The scheduler has gone away.
        """

    def slots(self, client: Any) -> int:
        """How many workers take work.

        Raises:
            OSError: The scheduler does not say.
            VersionError: A worker does not fit.
        """

    def why_no_slots(self, client: Any) -> str:
        """Why there is no worker."""

    def host_of(self, worker: Any) -> str:
        """What a worker's place is called, for people."""

    def stop(self) -> None:
        """Waits for nothing any more, as it is about to be closed; called in any thread."""

    def scale(self, slots: int) -> None:
        """Asks for a number of workers.

        Raises:
            KubefutureError: It cannot be.
        """

    def close(self) -> None:
        """Ends what is ours."""


class FoundDask:
    """A cluster that is there.

    Args:
        distributed: Dask's package.
        address: Its scheduler's, or a `distributed.Client` or cluster object.
    """

    wanted: int | None = None

    def __init__(self, distributed: Any, address: Any) -> None:
        self._distributed = distributed
        self._address = address
        self._name = ""
        self._lost_at = 0.0

    def connect(self) -> tuple[Any, bool]:
        """Dask's client, and whether it is ours to close."""
        client, own = connected(self._distributed, self._address)
        self._name = client.scheduler.address
        check_workers(client)
        return client, own

    def kept(self, client: Any) -> Any:
        """Dask's client keeps itself, as long as it says itself, and no longer."""
        if link_of(client) is not None:
            self._lost_at = 0.0
        elif not self._lost_at:
            self._lost_at = time.monotonic()
        elif time.monotonic() - self._lost_at > max(_COME_BACK_SECONDS, 2 * getattr(client, "_timeout", 0)):
            raise NoAnswerError(_GONE)
        return _living(client)

    def slots(self, client: Any) -> int:
        """How many workers there are."""
        with asking():
            return len(client.sync(client.scheduler.ncores, callback_timeout=SILENT_SECONDS))

    def why_no_slots(self, client: Any) -> str:
        """Why there is no worker."""
        return f"the Dask cluster at {self._name} has no workers"

    def host_of(self, worker: Any) -> str:
        """Its machine."""
        return str(worker.host)

    def stop(self) -> None:
        """Has nothing to do."""

    def scale(self, slots: int) -> None:
        """Is its owner's to do."""
        raise PlanError(
            f"The Dask cluster at {self._name} is not kubefuture's to scale; use its own means, as cluster.scale(n)."
        )

    def close(self) -> None:
        """Leaves it as it is."""


class OwnDask:
    """Workers of this program's own.

    Args:
        distributed: Dask's package.
        workers: How many.
        threads_per_slot: How many threads their numerical libraries may use.
    """

    def __init__(self, distributed: Any, workers: int, threads_per_slot: int) -> None:
        self._distributed = distributed
        self._workers = DaskWorkers(distributed, threads_per_slot)
        self.wanted: int | None = workers

    def connect(self) -> tuple[Any, bool]:
        """Starts them; returns Dask's client, which is ours to close."""
        assert self.wanted is not None
        self._workers.start(self.wanted)
        return connected(self._distributed, self._workers.cluster)

    def kept(self, client: Any) -> Any:
        """Its scheduler is in this process."""
        return _living(client)

    def slots(self, client: Any) -> int:
        """How many there are; also makes them as many as are wanted."""
        workers, wanted = self._workers, self.wanted
        assert wanted is not None
        workers.reap()
        names = workers.names
        if len(names) < wanted:
            workers.start(wanted - len(names))
        elif len(names) > wanted:
            client.retire_workers(names=names[wanted:], close_workers=True)
            workers.retired(names[wanted:])
        with asking():
            return len(client.nthreads())

    def why_no_slots(self, client: Any) -> str:
        """Why there is no worker."""
        return "they are still starting; the machine may be busy"

    def host_of(self, worker: Any) -> str:
        """This machine."""
        return str(worker.host)

    def stop(self) -> None:
        """Has nothing to do."""

    def scale(self, slots: int) -> None:
        """The next look starts or ends some."""
        self.wanted = slots

    def close(self) -> None:
        """Ends them."""
        self._workers.close()


def _living(client: Any) -> Any:
    if client.status in ("closed", "closing"):
        raise NoAnswerError(_GONE)
    return client
