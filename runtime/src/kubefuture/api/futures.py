"""future: single calls."""

from __future__ import annotations

import concurrent.futures as cf
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from ..backends.base import Backend
from ..client.calls import TaskCall
from ..core import rng
from ..core.blobs import BlobFile
from ..core.elements import FunctionRunner, with_own_seed
from ..core.forks import abandon_in_forks
from ..core.interrupts import undisturbed
from ..core.packing import pack_element
from ..core.printed import Printed
from ..core.raised import named
from ..core.receiver import HelpedCondition
from ..core.relay import AsItComes, relay
from ..core.remembered import Remembered
from ..errors import PlanError
from ..protocol.messages import Function
from .folding import folded
from .options import Options
from .plan import Plan, current_plan
from .running import Failed, packed_function, run_in_place, with_blobs
from .unshown import Unshown

T = TypeVar("T")

_DEFAULTS = Options()

_unasked = Unshown()
abandon_in_forks(_unasked)


class Condition(type(threading.RLock()), HelpedCondition):  # type: ignore[misc]
    """A lock and its condition in one object, where the standard library makes eight for every future."""

    def __init__(self) -> None:
        self._waiters: deque[Any] = deque()


class Future(cf.Future[T], Generic[T]):
    """A standard future whose work runs elsewhere (R21).

    It stays pending until it is done, since only a slot knows when it starts; `cancel` also stops what
    runs already. What it printed, its warnings and its log records appear when its result is asked for first. If
    it never is, they appear with the next `future` after nobody has this one any more, or when the program ends.
    """

    label: str | None = None
    _condition: Condition
    _backend: Backend | None = None
    _call: TaskCall | None = None
    _state = "PENDING"
    _result = None
    _exception = None
    printed: list[Printed] | None = None  # one, until it is shown
    output: AsItComes | None = None
    unasked: Unshown | None = None
    due: tuple[float, TimeoutError] | None = None  # from when on, in `time.monotonic()`, it fails with what
    _muted = False

    def __init__(self) -> None:  # what the standard one has, lighter
        self._condition = Condition()
        self._waiters: list[Any] = []
        self._done_callbacks: list[Callable[[cf.Future[T]], object]] = []

    def cancel(self) -> bool:
        """Cancels the call, running or not. False when it is done already."""
        with undisturbed():  # or its callbacks would never be called
            if not super().cancel():
                return False
            if self._backend is not None and self._call is not None:
                self._backend.session.cancel(self._call)
            with self._condition:  # tell `wait` and `as_completed`
                fresh = self._state == "CANCELLED"
            if fresh:
                self.set_running_or_notify_cancel()
            return True

    def __await__(self) -> Generator[Any, None, T]:
        """Waits in an event loop. Cancelling the task that waits cancels the call, running or not."""
        import asyncio

        # asyncio.wrap_future never asks a call that failed for its result, so what it printed would be lost; and in
        # Python 3.11 it waits for ever where StopIteration was raised.
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def end() -> None:
            if not over.done():
                over.set_result(None)

        def tell(_: cf.Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end)

        self.add_done_callback(tell)
        try:
            yield from over
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self.cancelled():
            raise asyncio.CancelledError
        with folded:
            return self.result()

    def fail(self, error: BaseException) -> None:
        """Stops the call, wherever it is, and gives an error in place of its result; nothing if it is done."""
        with undisturbed():
            if self._backend is not None and self._call is not None:
                self._backend.session.cancel(self._call)
            with suppress(cf.InvalidStateError):  # it was done in the same moment
                self.set_exception(error)

    def result(self, timeout: float | None = None) -> T:
        """As the standard one."""
        try:
            with folded:
                return super().result(timeout)
        finally:
            if self.printed:
                self._relay()

    def take_printed(self) -> Printed | None:
        """What it printed, for the one who asks first and shows it; None for all others."""
        try:
            return self.printed.pop() if self.printed else None
        except IndexError:
            return None  # another thread was first

    def _relay(self) -> None:
        printed = self.take_printed()
        if printed is not None and not self._muted:
            self.output.keep(0, printed) if self.output is not None else relay(printed, 0)

    def __repr__(self) -> str:
        name = f" {self.label!r}" if self.label else ""
        return f"<kubefuture.Future{name} at {id(self):#x} {self._state.lower()}>"


def future(fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
    """Starts `fn(*args, **kwargs)` and returns at once.

    Args:
        fn: The function.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        A `concurrent.futures.Future`. With the sequential plan it is done when this returns.

    Raises:
        UnpicklableError: Function or arguments cannot be sent.
    """
    with folded:
        return submit(fn, args, kwargs, _DEFAULTS)


def submit(
    fn: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: Options,
    plan: Plan | None = None,
) -> Future[T]:
    """`future` with options, on the present plan or another one."""
    if options.name is not None:
        raise PlanError("A single future cannot be named; kf.map(fn, [x], name=...) can.")
    if options.seed is not None and rng.is_list(options.seed):
        raise PlanError("A single future takes a single seed, not a list.")
    given = len(args) if "rng" not in kwargs else 1 << 30
    root = rng.root_of(options.seed) if options.seed is not None else None
    packed = packed_function(
        fn, given, None, options.task_timeout, options.output == "live", own_seeds=root is not None
    )
    if _unasked.due:
        _unasked.show()
    return submit_packed(fn, packed, args, kwargs, options, plan, root=root, unasked=_unasked)


def submit_packed(
    fn: Callable[..., T],
    packed: tuple[Function, tuple[BlobFile, ...]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: Options,
    plan: Plan | None,
    remembered: Remembered | None = None,
    root: rng.Root | None = None,
    unasked: Unshown | None = None,
    begun: Callable[[Future[T]], object] | None = None,
) -> Future[T]:
    """The same with a function that was packed before, arrays that were, the seed's root, and what shows the output.

    `begun` is told of a call that has been handed over, before Ctrl-C can end this.
    """
    function, files = packed
    shared: dict[bytes, BlobFile] = {}
    payload = pack_element(args, kwargs, None, shared, remembered)
    if root is not None:  # apart from the function, which is the same for many futures
        payload = with_own_seed(root, payload)
    if shared:
        function, files = with_blobs(function, files, shared)
    backend = (plan or current_plan()).backend()
    result: Future[T] = Future()
    if options.label is not None:
        result.label = options.label
    if options.output is False:
        result._muted, unasked = True, None
    elif options.output == "live":
        result.output = AsItComes()
    if backend is None:
        name = options.label or getattr(fn, "__name__", "future")
        began = time.monotonic()
        outcome = run_in_place(
            FunctionRunner(function), 0, payload, options.retries, lambda _, error: error, options.output
        )
        if options.timeout is not None and time.monotonic() - began > options.timeout:
            result.set_exception(_late(options))
        elif isinstance(outcome, Failed):
            result.set_exception(named(outcome.error, f"future {name}"))
        else:
            result.set_result(outcome)
        return result
    if unasked is not None:
        result.unasked = unasked
    if options.timeout is not None:
        result.due = time.monotonic() + options.timeout, _late(options)
    with undisturbed():
        result._backend = backend
        result._condition.receiver = backend.session.receiver
        result._call = backend.session.submit(function, payload, options.retries, result, files)
        if begun is not None:
            begun(result)
    if options.timeout is not None:
        backend.call_later(options.timeout, partial(_expire, weakref.ref(result)))
    return result


def _expire(known: weakref.ref[Future[Any]]) -> None:
    """Time is up for a future: its work is stopped, wherever it is. One that is done is not kept until then."""
    future = known()
    if future is not None and future.due is not None and not future.done():
        future.fail(future.due[1])


def _late(options: Options) -> TimeoutError:
    name = options.label or "a future"
    return TimeoutError(f"{name} did not finish within {options.timeout} s; it was cancelled.")


def withdraw(futures: Iterable[Future[Any]]) -> None:
    """Cancels those of some futures that no slot has yet (R21)."""
    calls: dict[int, tuple[Backend, list[TaskCall]]] = {}
    for future in futures:
        if future._backend is not None and future._call is not None:
            calls.setdefault(id(future._backend), (future._backend, []))[1].append(future._call)
    for backend, theirs in calls.values():
        backend.session.withdraw(theirs)
