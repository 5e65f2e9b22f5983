"""One call of a `joblib.Parallel` object on the plan.

    joblib ── submit ──> Call ── a future a batch ──> the plan's back end
           <── callback ── its thread <── done ── the I/O thread

joblib takes the next inputs from the user's iterator in its callback, and these may take long to make. So callbacks
run in a thread of the call's own, and never in the one that talks to the workers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Any

from ..api.executor import UnpicklableCallError
from ..api.futures import Future, submit_packed
from ..api.options import Options
from ..api.plan import Plan
from ..api.running import packed_function
from ..core.relay import InOrder
from ..core.remembered import Remembered
from ..errors import UnpicklableError
from .batch import Batch

_Callback = Callable[[Any], object]


class Call:
    """The batches of one call.

    Large arrays among their arguments go once to each worker, as they were when they were passed first (R27).

    Args:
        plan: Where they run.
        run: What runs a batch: `operator.call`, or that after other things.
        limit: How many may run at the same time; None for as many as the plan has workers.
        read_only: Whether large arrays may only be read.
    """

    def __init__(self, plan: Plan, run: Callable[..., Any], limit: int | None, *, read_only: bool) -> None:
        self._plan = plan
        self._limit = limit
        self._run = run
        self._function = packed_function(run, 1)
        self._remembered = Remembered(read_only=read_only)
        self._lock = threading.Lock()
        self._numbers = count()
        self._active = 0
        self._aborted = False
        self._waiting: deque[tuple[int, Batch, _Callback]] = deque()
        self._started: dict[Future[Any], int] = {}
        self._output = InOrder()
        self._done: SimpleQueue[tuple[Future[Any], _Callback] | None] = SimpleQueue()
        threading.Thread(target=self._call_back, name="kubefuture-joblib", daemon=True).start()

    def submit(self, batch: Batch, callback: _Callback) -> None:
        """Starts a batch, or has it wait until there may be one more; `callback` gets its future when it is done."""
        with self._lock:
            number = next(self._numbers)
            if self._limit is not None and self._active >= self._limit:
                self._waiting.append((number, batch, callback))
                return
            self._active += 1
        self._start(number, batch, callback)

    def result(self, future: Future[Any]) -> Any:
        """What a batch returned. What it printed is relayed as soon as what those before it printed has been.

        Raises:
            Exception: Whatever the user's function raised.
        """
        with self._lock:
            number = self._started.pop(future)
        self._output.keep(number, future.take_printed())
        self._output.arrived(number, 1)
        return future.result()

    def abort(self) -> None:
        """Stops what runs, and starts nothing more."""
        with self._lock:
            self._aborted = True
            self._waiting.clear()
            started = list(self._started)
        for future in started:
            future.cancel()

    def end(self) -> None:
        """Nobody waits for anything any more."""
        self._done.put(None)
        self._remembered.clear()
        with suppress(Warning):  # then another error is on its way
            self._output.rest()

    def _start(self, number: int, batch: Batch, callback: _Callback) -> None:
        future = self._submitted(batch, partial(self._note, number))
        self._note(number, future)  # one that ran in place, or could not be started
        future.add_done_callback(lambda _: self._done.put((future, callback)))

    def _note(self, number: int, future: Future[Any]) -> None:
        with self._lock:
            self._started[future] = number
            late = self._aborted
        if late:
            future.cancel()

    def _submitted(self, batch: Batch, begun: Callable[[Future[Any]], None]) -> Future[Any]:
        """Where it cannot be started, its future says why: this may be a thread in which nobody could catch it."""
        try:
            return submit_packed(
                self._run,
                self._function,
                (batch,),
                {},
                Options(label=batch.name),
                self._plan,
                self._remembered,
                begun=begun,
            )
        except Exception as error:
            future: Future[Any] = Future()
            future.set_exception(
                UnpicklableCallError(str(batch.named(error)))
                if isinstance(error, UnpicklableError)
                else error
            )
            return future

    def _call_back(self) -> None:
        while (one := self._next()) is not None:
            future, callback = one
            following = None
            with self._lock:
                self._active -= 1
                if self._waiting:
                    self._active += 1
                    following = self._waiting.popleft()
            if following is not None:
                self._start(*following)
            if not future.cancelled():
                callback(future)
            del one, future, callback, following  # while this waits it keeps nothing

    def _next(self) -> tuple[Future[Any], _Callback] | None:
        """Waits for what is done next."""
        return self._done.get()
