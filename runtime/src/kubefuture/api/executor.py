"""ClusterExecutor: the plan, or a pool of its own, as `concurrent.futures` knows executors.

    submit, map ──> Executor ──> Work: what is pending ──> futures.submit ──> the plan's back end
                       │             ▲
                 dropped, shut down  └── each future, when it is done

`Work` outlives the executor: work that is pending when nobody has the executor any more, or when the program ends,
is finished first, as in the standard library.
"""

from __future__ import annotations

import atexit
import concurrent.futures as cf
import operator
import pickle
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from ..core.interrupts import undisturbed
from ..core.packing import pack_element
from ..core.pool_calls import Prepared, Several
from ..errors import PlanError, UnpicklableError
from .folding import folded
from .futures import Future, submit_packed
from .options import Options
from .plan import Plan, chosen_plan
from .pool_work import Work, wait_for_all
from .running import packed_function

T = TypeVar("T")

_DEFAULTS = Options()

atexit.register(wait_for_all)


class UnpicklableCallError(UnpicklableError, pickle.PicklingError):
    """A call that cannot be sent, for those who expect pickle's error, as of the standard executor."""


class ClusterExecutor(cf.Executor):
    """A `concurrent.futures.Executor` on the plan, which takes the place of `ProcessPoolExecutor`.

    Where a plan was chosen, with `kubefuture.plan` or by KUBEFUTURE_PLAN or KUBEFUTURE_CONNECTION, it runs on that.
    Where none was, it is a pool of its own on this machine, which ends with it.

    Args:
        max_workers: How many processes the pool has; by default `available_cores()`. A plan that was chosen has its
            own number, and this one is only checked.
        mp_context: For compatibility. Processes are always started afresh, so a context whose method is "fork"
            is refused.
        initializer: Called in each process once, before its first call for this executor. If it fails, the
            executor is broken: what is pending and all that is submitted later fails with BrokenPoolError.
        initargs: Its arguments.
        max_tasks_per_child: Only None: processes are not replaced after a number of calls.

    Raises:
        PlanError: An argument cannot be; a ValueError as in the standard library.
        TypeError: An argument has the wrong type.
        UnpicklableError: The initializer's arguments cannot be sent.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        _check(max_workers, mp_context, initializer, max_tasks_per_child)
        self._prepare: Callable[[Callable[..., Any]], Callable[..., Any]] = _unchanged
        if initializer is not None:
            packed = pack_element(tuple(initargs), None, None)
            self._prepare = partial(Prepared, uuid.uuid4().hex, initializer, packed)
        plan = chosen_plan()
        workers = None if max_workers is None else operator.index(max_workers)
        self._work = Work(Plan("local", workers, None) if plan is None else plan, own=plan is None)
        weakref.finalize(self, self._work.close).atexit = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Starts `fn(*args, **kwargs)`.

        Returns:
            A future. If function or arguments cannot be sent, it has failed with UnpicklableError.

        Raises:
            RuntimeError: The executor was shut down, or the program ends.
            BrokenPoolError: The initializer failed.
        """
        self._work.check()
        return self._start(fn, self._pack(fn), args, kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Like the built-in `map`, in parallel. `kubefuture.map` does the same with less effort for each element.

        Args:
            fn: The function, which is frozen as it is now.
            *iterables: As for the built-in `map`.
            timeout: Seconds from now on until the last result has to be there.
            chunksize: Elements a call.
            buffersize: Inputs are read only so many calls ahead of the results; by default all at once.

        Returns:
            The results in order. If it is closed, or one raises, the rest is cancelled.

        Raises:
            RuntimeError: The executor was shut down, or the program ends.
            BrokenPoolError: The initializer failed.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        self._work.check()
        started = time.monotonic()
        whole = fn if chunksize == 1 or not callable(fn) else Several(fn)
        packed = self._pack(whole)
        calls = _calls(zip(*iterables, strict=False), chunksize)
        first = calls if buffersize is None else islice(calls, buffersize)
        futures = deque(self._start(whole, packed, args, {}) for args in first)
        known = weakref.ref(self)

        def more() -> Future[Any] | None:
            executor = known()
            args = None if executor is None else next(calls, None)
            return None if executor is None or args is None else executor._start(whole, packed, args, {})

        results = _results(futures, more, None if timeout is None else started + timeout)
        return results if chunksize == 1 else _each(results)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more work. What was submitted is finished.

        Args:
            wait: Return when it is, and a pool of its own has ended.
            cancel_futures: Cancel what no slot has got yet.
        """
        self._work.close()
        if cancel_futures:
            self._work.withdraw()
        if wait:
            self._work.wait()

    @property
    def _max_workers(self) -> int:  # asked by libraries, of every executor
        return self._work.n_workers

    @property
    def _broken(self) -> bool:
        return self._work.broken is not None

    def _pack(self, fn: Callable[..., Any]) -> Any:
        try:
            return packed_function(self._prepare(fn) if callable(fn) else fn, 1 << 30)
        except UnpicklableError as error:
            return error

    def _start(
        self, fn: Callable[..., T], packed: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[T]:
        self._work.show()
        if self._work.plan.backend() is None:
            # It runs in place: Ctrl-C is for the function, and nobody else has to wait for it.
            self._work.check()
            future = self._submit(fn, packed, args, kwargs)
            self._work.done(future)
            return future
        with undisturbed(), self._work.starting():
            future = self._submit(fn, packed, args, kwargs)
            self._work.add(future)
        return future

    def _submit(
        self, fn: Callable[..., T], packed: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Future[T]:
        try:
            if isinstance(packed, UnpicklableError):
                raise packed
            return submit_packed(fn, packed, args, kwargs, _DEFAULTS, self._work.plan)
        except UnpicklableError as error:
            future: Future[T] = Future()
            future.set_exception(UnpicklableCallError(str(error)))
            return future


def _results(
    futures: deque[Future[Any]], more: Callable[[], Future[Any] | None], end: float | None
) -> Iterator[Any]:
    with folded:
        try:
            while futures:
                if (following := more()) is not None:
                    futures.append(following)
                yield _first(futures, None if end is None else end - time.monotonic())
        finally:
            for future in futures:
                future.cancel()


def _first(futures: deque[Future[Any]], timeout: float | None) -> Any:
    """The next result; nothing of ours refers to it any more."""
    value = futures[0].result(timeout)
    futures.popleft()
    return value


def _each(results: Iterator[list[Any]]) -> Iterator[Any]:
    with folded:
        for several in results:
            several.reverse()
            while several:
                yield several.pop()


def _calls(arguments: Iterator[tuple[Any, ...]], chunksize: int) -> Iterator[tuple[Any, ...]]:
    """The arguments of each call: those of an element, or the first one's index and those of several."""
    if chunksize == 1:
        yield from arguments
        return
    first = 0
    while several := tuple(islice(arguments, chunksize)):
        yield first, several
        first += len(several)


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _check(max_workers: Any, context: Any, initializer: Any, tasks_per_child: Any) -> None:
    """The arguments, in the words of the standard library where it has them."""
    if max_workers is not None:
        if isinstance(max_workers, bool) or not hasattr(type(max_workers), "__index__"):
            raise TypeError(f"max_workers must be an integer, not {max_workers!r}")
        if max_workers <= 0:
            raise PlanError("max_workers must be greater than 0")
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    if context is not None:
        method = getattr(context, "get_start_method", None)
        if method is None:
            raise TypeError(f"mp_context must be a context of multiprocessing, not {context!r}")
        if method() == "fork":
            raise PlanError(
                "mp_context: processes are never forked from this one, so the start method cannot be 'fork'. Leave "
                "mp_context out, and pass what they need as arguments or with initializer=."
            )
    if tasks_per_child is not None:
        if not isinstance(tasks_per_child, int):
            raise TypeError("max_tasks_per_child must be an integer")
        if tasks_per_child <= 0:
            raise PlanError("max_tasks_per_child must be >= 1")
        raise PlanError(
            "max_tasks_per_child: processes are not replaced after a number of calls; leave it out. One that needs too "
            "much memory is replaced by itself."
        )
