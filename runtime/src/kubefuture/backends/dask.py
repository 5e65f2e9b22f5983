"""plan("dask"): our API on dask.distributed.

    user's threads ── Session ── messages ──> a thread: DaskCalls ── chunks ──> Dask's client ══> its workers
    any thread     <─ Session <─ messages ──            DaskCalls <── answers ── Dask's client <══╝

The session is the one of the other back ends, so everything above it is the same code. Dask is imported here, on
first use: the runtime does not depend on it.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..client.mistakes import declared
from ..client.quiet import Quiet
from ..client.session import Session
from ..core.identity import hello
from ..core.patience import wait_until
from ..core.raised import pack_exception
from ..core.resources import available_cores
from ..errors import ClusterError, KubefutureError, VersionError
from ..protocol.messages import Cancel, Function, Message, Slots, TallyRequest
from ..worker.in_dask import Answer, run_chunk, set_dask_apart
from .dask_answers import DaskAnswers
from .dask_calls import DaskCalls
from .dask_client import asking, link_of, load_dask, named_by_settings
from .dask_clusters import DaskCluster, FoundDask, OwnDask
from .dask_parcels import DaskParcels
from .dask_project import DaskProject

_TICK = 0.25
_CLOSE_SECONDS = 10.0
_END_SECONDS = 30.0
"""How long the thread may take for all that it closes."""


class DaskBackend:
    """A Dask cluster: the project's, another one that is there, or one of this program's own.

    Args:
        address: Its scheduler's, or a `distributed.Client` or cluster object; None for workers of our own.
        workers: How many of these; None for as many as there are cores, if Dask's own settings name no cluster.
        threads_per_slot: How many threads their numerical libraries may use.
        connection: The connection file of the project's cluster, which runs Dask; None for any other.

    Raises:
        PlanError: Dask is not installed, or this cluster cannot be used.
        ClusterError: It does not answer, or does not fit.
    """

    def __init__(
        self,
        address: Any,
        workers: int | None = None,
        threads_per_slot: int = 1,
        connection: Path | None = None,
    ) -> None:
        self._distributed = load_dask()
        self.session = Session(threading.RLock(), self._send)
        self._pid = os.getpid()
        self._calls = DaskCalls()
        self._quiet = Quiet(self.session, lambda: self.why_no_slots)
        self._path = hello("client").sys_path
        self._choice = address, workers, threads_per_slot, connection
        self._flying: dict[int, Any] = {}
        self._parcels = DaskParcels(self.session, self._path)
        self._cluster: DaskCluster | None = None
        self._client: Any = None
        self._own_client = True
        self._keys = f"kubefuture-{uuid.uuid4().hex}"  # a fork's are others
        self._answers: DaskAnswers | None = None
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closing = False
        self._started: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="kubefuture-dask", daemon=True)
        self._thread.start()
        error = self._started.get()
        if error is not None:
            self._thread.join()
            raise error
        atexit.register(self.close)  # before Dask's own, which was registered earlier

    @property
    def n_workers(self) -> int:
        """How many elements run at the same time: one a worker process."""
        wanted = self._known.wanted
        return self.session.slots if wanted is None else wanted

    @property
    def why_no_slots(self) -> str:
        """Why there is no worker."""
        return self._known.why_no_slots(self._client)

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Calls a function in a thread when time has passed."""
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()

    def scale(self, slots: int) -> None:
        """Changes the number of workers; returns when they are there, or told to go."""
        self._known.scale(slots)
        with self.session.lock:
            self._events.put(self._look)
            wait_until(
                self.session.slots_changed,
                lambda: self.session.slots == slots or self.session.error is not None,
                lambda: f"{self.session.slots} of {slots} workers are there, waiting: {self.why_no_slots}",
            )
        if self.session.error is not None:
            raise type(self.session.error)(str(self.session.error))

    def close(self) -> None:
        """Ends what is ours: the connection, and workers of our own."""
        atexit.unregister(self.close)
        if self._pid != os.getpid() or self._closing:
            return
        self._closing = True
        try:
            self._known.stop()
            self._events.put(lambda: None)
            self._thread.join(_END_SECONDS)
        finally:
            with self.session.lock:
                self.session.break_off(KubefutureError("The plan that this work belonged to has ended."))
            self.session.outcomes.deliver()

    def _send(self, messages: list[Message]) -> None:
        self._events.put(lambda: self._take(messages))

    # Everything below runs in the thread.

    def _main(self) -> None:
        try:
            self._connect()
            self._look()
        except BaseException as error:
            self._disconnect()
            self._started.put(error)
            return
        self._started.put(None)
        try:
            self._work()
        except Exception as error:
            with self.session.lock:
                self.session.break_off(declared(error))
            self.session.outcomes.deliver()
        finally:
            self._disconnect()

    @property
    def _known(self) -> DaskCluster:
        assert self._cluster is not None
        return self._cluster

    def _connect(self) -> None:
        set_dask_apart()
        address, workers, threads_per_slot, connection = self._choice
        if address is None and workers is None and connection is None:
            address = named_by_settings()
        if connection is not None:
            self._cluster = DaskProject(connection)
        elif address is not None:
            self._cluster = FoundDask(self._distributed, address)
        else:
            self._cluster = OwnDask(self._distributed, workers or available_cores(), threads_per_slot)
        self._client, self._own_client = self._cluster.connect()

    def _disconnect(self) -> None:
        if self._answers is not None:
            self._answers.leave()
        with suppress(Exception):  # the cluster may be gone, or the interpreter about to
            if self._flying:
                self._client.cancel(list(self._flying.values()))
        self._flying.clear()
        self._parcels.clear()
        with suppress(Exception):
            if self._client is not None and self._own_client:
                self._client.close(timeout=_CLOSE_SECONDS)
        if self._cluster is not None:
            self._cluster.close()

    def _work(self) -> None:
        look_at = time.monotonic()
        while not self._closing:
            with suppress(queue.Empty):
                self._events.get(timeout=max(0.0, look_at - time.monotonic()))()
                while not self._closing:
                    self._events.get_nowait()()
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + _TICK
            self._give()

    def _look(self) -> None:
        """Sees which workers there are."""
        cluster = self._known
        client = self._client = cluster.kept(self._client)
        link = link_of(client)
        if self._answers is None or self._answers.link is not link:
            self._begin_anew(link)
        slots = 0
        if link is not None:
            try:
                slots = cluster.slots(client)
            except VersionError:
                raise
            except Exception as error:
                if not isinstance(error, OSError) and link_of(client) is link:
                    raise
                # otherwise the scheduler does not say now
        if slots != self.session.slots:
            self._tell([Slots(slots)])
        self._quiet.look()

    def _begin_anew(self, link: Any) -> None:
        """What Dask had by a connection that is lost is given to it again: it forgets that, or has died itself."""
        if self._answers is not None:
            self._answers.leave()
        self._answers = None if link is None else DaskAnswers(self._client, link, self._told)
        self._parcels.clear()
        gone, self._flying = self._flying, {}
        for number in gone:
            self._tell(self._calls.lost(number))

    def _told(self, number: int, ending: bytes | BaseException) -> None:
        """In the thread that fetches answers."""
        self._events.put(partial(self._landed, number, ending))

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if isinstance(message, Cancel) and message.waiting:
                self._tell(self._calls.withdraw(message))
                continue
            if isinstance(message, TallyRequest):
                self._tell(self._calls.tally(message, self.session.slots))
                continue
            forgotten = [self._flying.pop(number, None) for number in self._calls.receive(message)]
            futures = [future for future in forgotten if future is not None]
            if futures:
                with suppress(Exception):  # a client that has been closed has nothing to cancel
                    self._client.cancel(futures)
            if isinstance(message, Function):
                self._parcels.replaced(message.id)
        self._parcels.keep_only(self._calls.functions.keys())

    def _give(self) -> None:
        """Gives Dask the next chunks."""
        answers = self._answers
        if answers is None or answers.link is not link_of(self._client):
            return  # until the next look
        to_send = deque(self._calls.next(self.session.slots))
        while to_send:
            sent = to_send.popleft()
            try:
                with asking():
                    parcel, *contents = self._parcels.arguments(
                        self._client, self._calls.functions[sent.function]
                    )
                future = self._client.submit(
                    run_chunk,
                    parcel,
                    msgspec.msgpack.encode(sent.chunk),
                    *contents,
                    key=f"{self._keys}-{sent.number}",
                    pure=False,
                )
            except Exception as error:
                known = isinstance(error, OSError | CancelledError)
                if not known and answers.link is link_of(self._client):
                    raise
                # The connection is lost; or who was to have it has gone, or what Dask was given before.
                self._parcels.lost(sent.function)
                self._tell(self._calls.lost(sent.number))
                for unsent in reversed(to_send):
                    self._calls.unsent(unsent.number)
                return  # until the next look
            self._flying[sent.number] = future
            answers.expect(sent.number, future)

    def _landed(self, number: int, ending: bytes | BaseException) -> None:
        """What became of a chunk."""
        if self._flying.pop(number, None) is None:
            return  # it was cancelled
        calls, distributed = self._calls, self._distributed
        if isinstance(ending, bytes):
            self._tell(calls.done(number, msgspec.msgpack.decode(ending, type=Answer)))
        elif isinstance(ending, distributed.KilledWorker):
            deaths, host = ending.allowed_failures + 1, self._known.host_of(ending.last_worker)
            self._tell(calls.died(number, deaths, "its Dask worker ended", host))
        elif isinstance(ending, (CancelledError, distributed.comm.CommClosedError)):
            self._parcels.lost(calls.function_of(number))
            self._tell(calls.lost(number))
        else:
            problem = ClusterError(
                f"Dask could not run it: {type(ending).__name__}: {ending}. See the logs of Dask's workers."
            )
            self._tell(calls.failed(number, pack_exception(problem)))

    def _tell(self, messages: list[Message]) -> None:
        with self.session.lock:
            for message in messages:
                self.session.receive(message)  # type: ignore[arg-type]
        self.session.outcomes.deliver()
