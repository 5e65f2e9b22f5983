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
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from ..client.mistakes import declared
from ..client.quiet import Quiet
from ..client.session import Session
from ..core.identity import hello
from ..core.patience import wait_until
from ..core.raised import pack_exception
from ..core.resources import available_cores
from ..errors import ClusterError, KubefutureError, NoAnswerError, PlanError
from ..protocol.messages import Cancel, Function, Message, Slots, TallyRequest
from ..worker.in_dask import Answer, run_chunk, set_dask_apart
from .dask_calls import DaskCalls
from .dask_client import check_workers, connected, load_dask, named_by_settings
from .dask_parcels import DaskParcels
from .dask_workers import DaskWorkers

_TICK = 0.25
_CLOSE_SECONDS = 10.0


class DaskBackend:
    """A Dask cluster: one that is there, or one of this program's own.

    Args:
        address: Its scheduler's, or a `distributed.Client` or cluster object; None for workers of our own.
        workers: How many of these; None for as many as there are cores, if Dask's own settings name no cluster.
        threads_per_slot: How many threads their numerical libraries may use.

    Raises:
        PlanError: Dask is not installed, or this cluster cannot be used.
        ClusterError: It does not answer, or does not fit.
    """

    def __init__(self, address: Any, workers: int | None = None, threads_per_slot: int = 1) -> None:
        self._distributed = load_dask()
        self.session = Session(threading.RLock(), self._send)
        self._pid = os.getpid()
        self._calls = DaskCalls()
        self._quiet = Quiet(self.session, lambda: self.why_no_slots)
        self._path = hello("client").sys_path
        self._chosen = workers
        self._wanted = workers or available_cores()
        self._address = address
        self._flying: dict[int, Any] = {}
        self._parcels = DaskParcels(self.session, self._path)
        self._workers: DaskWorkers | None = None
        self._client: Any = None
        self._own_client = True
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closing = False
        self._ready: queue.SimpleQueue[tuple[int, Any] | None] = queue.SimpleQueue()
        self._threads_per_slot = threads_per_slot
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
        return self._wanted if self._workers is not None else self.session.slots

    @property
    def why_no_slots(self) -> str:
        """Why there is no worker."""
        if self._workers is not None:
            return "they are still starting; the machine may be busy"
        return f"the Dask cluster at {self._client.scheduler.address} has no workers"

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Calls a function in a thread when time has passed."""
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()

    def scale(self, slots: int) -> None:
        """Changes the number of workers of our own; returns when they are there, or told to go."""
        if self._workers is None:
            raise PlanError(
                f"The Dask cluster at {self._client.scheduler.address} is not kubefuture's to scale; "
                "use its own means, as cluster.scale(n)."
            )
        with self.session.lock:
            self._wanted = slots
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
        self._events.put(lambda: None)
        self._thread.join(_CLOSE_SECONDS)
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
        threading.Thread(target=self._fetch, name="kubefuture-dask-fetch", daemon=True).start()
        try:
            self._work()
        except Exception as error:
            with self.session.lock:
                self.session.break_off(declared(error))
            self.session.outcomes.deliver()
        finally:
            self._disconnect()

    def _connect(self) -> None:
        set_dask_apart()
        distributed, address = self._distributed, self._address
        if address is None:
            address = named_by_settings() if self._chosen is None else None
        if address is None:
            self._workers = DaskWorkers(distributed, self._threads_per_slot)
            self._workers.start(self._wanted)
            address = self._workers.cluster
        self._client, self._own_client = connected(distributed, address)
        if self._workers is None:
            check_workers(self._client)

    def _disconnect(self) -> None:
        self._ready.put(None)
        with suppress(Exception):  # the cluster may be gone, or the interpreter about to
            if self._flying:
                self._client.cancel(list(self._flying.values()))
        self._flying.clear()
        self._parcels.clear()
        with suppress(Exception):
            if self._client is not None and self._own_client:
                self._client.close(timeout=_CLOSE_SECONDS)
        if self._workers is not None:
            self._workers.close()

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
        """Sees which workers there are, and makes those of our own as many as are wanted."""
        status = self._client.status
        if status in ("closed", "closing"):
            raise NoAnswerError("The Dask scheduler has gone away. Start it again, and call kf.plan.")
        slots = 0
        if status == "running":
            with suppress(OSError):
                self._mend()
                slots = len(self._client.nthreads())
        if slots != self.session.slots:
            self._tell([Slots(slots)])
        self._quiet.look()

    def _mend(self) -> None:
        workers = self._workers
        if workers is None:
            return
        workers.reap()
        names, wanted = workers.names, self._wanted
        if len(names) < wanted:
            workers.start(wanted - len(names))
        elif len(names) > wanted:
            self._client.retire_workers(names=names[wanted:], close_workers=True)
            workers.retired(names[wanted:])

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
                self._client.cancel(futures)
            if isinstance(message, Function):
                self._parcels.replaced(message.id)
        self._parcels.keep_only(self._calls.functions.keys())

    def _give(self) -> None:
        """Gives Dask the next chunks."""
        for sent in self._calls.next(self.session.slots):
            try:
                parcel, *contents = self._parcels.arguments(
                    self._client, self._calls.functions[sent.function]
                )
            except (OSError, self._distributed.comm.CommClosedError):  # who was to have it has gone
                self._tell(self._calls.lost(sent.number))
                continue
            future = self._client.submit(
                run_chunk,
                parcel,
                msgspec.msgpack.encode(sent.chunk),
                *contents,
                key=f"kubefuture-{id(self)}-{sent.number}",
                pure=False,
            )
            self._flying[sent.number] = future
            future.add_done_callback(partial(self._ended, sent.number))

    def _ended(self, number: int, future: Any) -> None:
        """In a thread of Dask's."""
        self._ready.put((number, future))

    def _fetch(self) -> None:
        """Fetches answers, in a thread of its own: while Dask makes one again that died with its worker, this waits."""
        while (first := self._ready.get()) is not None:
            ready = [first]
            with suppress(queue.Empty):
                while (more := self._ready.get_nowait()) is not None:
                    ready.append(more)
            good = [(number, future) for number, future in ready if future.status == "finished"]
            contents: list[bytes | None] = [None] * len(good)
            with suppress(Exception):  # then they are asked for one by one
                contents = self._client.gather([future for _, future in good])
            known = {number: content for (number, _), content in zip(good, contents, strict=True)}
            for number, future in ready:
                self._events.put(partial(self._landed, number, _ending(future, known.get(number))))

    def _landed(self, number: int, ending: bytes | BaseException) -> None:
        """What became of a chunk."""
        if self._flying.pop(number, None) is None:
            return  # it was cancelled
        calls, distributed = self._calls, self._distributed
        if isinstance(ending, bytes):
            self._tell(calls.done(number, msgspec.msgpack.decode(ending, type=Answer)))
        elif isinstance(ending, distributed.KilledWorker):
            deaths, host = ending.allowed_failures + 1, ending.last_worker.host
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


def _ending(future: Any, content: bytes | None) -> bytes | BaseException:
    """A chunk's packed answer, or why there is none."""
    if content is not None:
        return content
    try:
        return future.result()  # type: ignore[no-any-return]
    except Exception as error:
        return error
