"""One map on any plan, as a stream of outcomes: what `map` and `imap` are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from ..backends.base import Backend
from ..backends.capabilities import Capability
from ..client.calls import MapCall, exception_of
from ..client.leaving import cut_short
from ..client.named import NamedCall
from ..core import rng
from ..core.elements import FunctionRunner
from ..core.interrupts import undisturbed
from ..core.packing import unpack_result
from ..core.printed import peel
from ..core.raised import named
from ..core.relay import AsItComes, InOrder
from ..core.scalars import unpack_all
from ..core.settings import LOOK_SECONDS, READ_AHEAD
from ..core.unseeded import warn_unseeded
from ..errors import KubefutureError, PlanError, PoisonError, ResultError
from ..protocol.messages import Failure, PrintedCall, Span, Tally
from .inputs import Inputs
from .names import hold_run, naming_of
from .options import Options
from .plan import current_plan
from .running import Failed, packed_function, run_in_place, with_blobs
from .weight import Weight

Outcomes = tuple[int, list[Any], bool]
"""Consecutive elements: the first one's index, their values or `Failed`, and whether one of them is `Failed`."""


class Stream:
    """The outcomes of one map, as they arrive. Close it to cancel what is left.

    Args:
        function: What each element calls.
        iterables: As for the built-in `map`.
        options: How.
        ahead: Read inputs only a little ahead of `taken`, not all at once.
    """

    _open = False
    _backend: Backend | None = None
    _call: MapCall | None = None
    _look: Callable[[Tally | None, int], object] | None = None
    _look_at = 0.0

    def __init__(
        self,
        function: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        options: Options,
        ahead: bool,
    ) -> None:
        if not iterables:
            raise PlanError("map needs at least one iterable.")
        self.options = options
        self._name = options.label or getattr(function, "__name__", "") or "map"
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout
        self._inputs = Inputs(iterables, options.seed)
        self.total = self._inputs.total
        own_seeds = rng.is_list(options.seed)
        self._function, self._files = packed_function(
            function,
            len(iterables),
            None if own_seeds or options.seed is None else rng.root_of(options.seed),
            options.task_timeout,
            options.output == "live",
            own_seeds=own_seeds,
        )
        if self._inputs.bare:
            self._function = msgspec.structs.replace(self._function, bare=True)
        self._referred = 0
        self._output = relayed(options)
        self._naming = naming_of(function, options)
        self.taken = 0
        self._ahead = ahead
        self._plan = current_plan()
        self._backend = self._plan.backend()
        self._open = True
        self._call = self._start(self._backend) if self._backend is not None else None

    def __iter__(self) -> Generator[Outcomes, None, None]:
        if self._backend is None or self._call is None:
            return self._sequential()
        return self._remote(self._backend, self._call)

    def watch(self, look: Callable[[Tally | None, int], object]) -> None:
        """Has the scheduler asked how the map is doing, and tells it with the number of workers, now and then."""
        self._look = look

    def look(self) -> None:
        """Asks and tells, if it is time to. Called often while outcomes are waited for."""
        if self._look is None or self._backend is None or self._call is None:
            return
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            with undisturbed():
                self._backend.session.watch(self._call)
            self._look(self._call.tally, self._backend.n_workers)

    def _start(self, backend: Backend) -> MapCall:
        call: MapCall | None = None
        try:
            total = -1 if self.total is None else self.total
            chunk_size, retries = self.options.chunk_size or 0, self.options.retries
            with undisturbed():
                naming = self._naming if Capability.NAMES in self._plan.capabilities else None
                if naming is not None and naming.again:
                    hold_run()
                call = backend.session.start_map(
                    self._function, self._files, naming, total=total, chunk_size=chunk_size, retries=retries
                )
            self._feed(backend, call)
        except BaseException:
            if call is not None:
                with undisturbed():
                    backend.session.cancel(call)
            raise
        return call

    def _sequential(self) -> Generator[Outcomes, None, None]:
        """Runs packed copies in place, so that the plan makes no difference (R28)."""
        runner = FunctionRunner(self._function)
        for index, payload in self._inputs.each():
            yield self._in_place(runner, index, payload)

    def _in_place(self, runner: FunctionRunner, index: int, payload: bytes) -> Outcomes:
        self._check_time()
        if self._refers_to_more():
            runner.learn(self._function.blobs)
        retries, output = self.options.retries, self.options.output
        outcome = run_in_place(runner, index, payload, retries, self._named, output)
        self._check_time()  # nothing could stop it, but too late is too late
        return index, [outcome], isinstance(outcome, Failed)

    def close(self) -> None:
        """Cancels what is left, also when nobody has asked for an outcome yet. A named map goes on."""
        self._open = False
        if self._backend is not None and self._call is not None:
            with undisturbed():
                if isinstance(self._call, NamedCall):
                    self._hand_over(self._backend, self._call)
                    self._backend.session.leave(self._call)
                else:
                    self._backend.session.cancel(self._call)
            with suppress(Warning):  # an error is on its way already
                self._output.rest()

    def __del__(self) -> None:
        """Ctrl-C can come between the making of a stream and the block that closes it."""
        if self._open:
            self._output = InOrder()  # nobody would know what that has to do with
            self.close()

    def give_up(self) -> None:
        """Cancels what is left, because of an error (R18)."""
        if self._backend is not None and self._call is not None:
            with undisturbed():
                self._backend.session.cancel(self._call)

    def _remote(self, backend: Backend, call: MapCall) -> Generator[Outcomes, None, None]:
        poisoned: list[Outcomes] = []
        warned = False
        weight = None if self._ahead else Weight(self._name, self.total)
        while True:
            self._feed(backend, call)
            self._check_time()
            if poisoned and self._ahead and call.caught_up:
                yield from poisoned  # its siblings have finished, and no more are read before it is taken
                poisoned.clear()
                continue
            self.look()
            arrived = self._wait(backend, call)
            late = self._is_late  # as what has arrived is, too, where this program did not run meanwhile
            if call.unseeded and not warned:
                warned = True
                warn_unseeded(call.unseeded)
            for item in arrived:
                if isinstance(item, PrintedCall):
                    self._output.heard(item)
                    continue
                if isinstance(item, Span) and weight is not None:
                    weight.add(item)
                outcome = self._outcome(item)
                if isinstance(item, Failure) and item.kind == "poison":
                    poisoned.append(outcome)
                elif not late:
                    yield outcome
            if late:
                self._check_time()
            if call.finished and not call.arrived:
                break
        yield from poisoned

    def _feed(self, backend: Backend, call: MapCall) -> None:
        """Packs and sends inputs: all of them, or some ahead of what was taken (R16).

        A named map is handed over at once, also when nobody takes its results (R5).
        """
        inputs, handed_over = self._inputs, self.total is not None and isinstance(call, NamedCall)
        while not inputs.exhausted:
            most: int | None = None
            if self._ahead and not handed_over:
                most = max(READ_AHEAD, 4 * backend.n_workers) - (inputs.read - self.taken)
                if most <= 0:
                    return
            self._add(backend, call, inputs.next(most))
            if call.arrived and not (self._ahead and handed_over):
                return

    def _hand_over(self, backend: Backend, call: NamedCall) -> None:
        """A named map goes on without this program: it is given the rest, as far as that has an end (R5)."""
        with suppress(Exception):  # of the inputs; whoever reads them on gets it, and nobody does here
            while self.total is not None and not self._inputs.exhausted and not call.cancelled:
                self._add(backend, call, self._inputs.next())
        cut_short(backend.session, call)

    def _add(self, backend: Backend, call: MapCall, payloads: list[bytes]) -> None:
        if self._refers_to_more():
            backend.session.replace_function(call, self._function, self._files)
        with undisturbed():
            backend.session.add_elements(call, payloads, last=self._inputs.exhausted)

    def _wait(self, backend: Backend, call: MapCall) -> list[Any]:
        """What has arrived; waits for at least one item while any is to come, or until it is time to look."""
        if not self._inputs.exhausted and call.arrived:
            return drain(call)
        # Not the condition, whose entering Ctrl-C could break off with the lock held.
        with backend.session.lock:
            while not call.arrived and not call.finished:
                if not call.changed.wait(self._patience()):
                    self._check_time()
                if self._look is not None and time.monotonic() >= self._look_at:
                    break
        return drain(call)

    def _refers_to_more(self) -> bool:
        """Whether elements refer to shared data that the function's message does not tell of yet; now it does."""
        shared = self._inputs.shared
        if len(shared) == self._referred:
            return False
        self._referred = len(shared)
        self._function, self._files = with_blobs(self._function, self._files, shared)
        return True

    def _outcome(self, item: Span | Failure | KubefutureError) -> Outcomes:
        if isinstance(item, KubefutureError):
            raise type(item)(str(item))
        if isinstance(item, Failure):
            self._output.keep(item.index, peel(item.payload)[0])
            failed = Failed(self._named(item.index, exception_of(item)))
            self._output.arrived(item.index, 1)
            return item.index, [failed], True
        outcomes = self._unpacked(item)
        self._output.arrived(item.start, len(item.payloads))
        return outcomes

    def _unpacked(self, span: Span) -> Outcomes:
        try:
            return span.start, unpack_all(span.payloads), False
        except (Exception, SystemExit):  # one of them carries output, or cannot be unpacked here
            values = [self._one(*pair) for pair in enumerate(span.payloads, span.start)]
            return span.start, values, any(isinstance(value, Failed) for value in values)

    def _one(self, index: int, payload: bytes) -> Any:
        printed, payload = peel(payload)
        self._output.keep(index, printed)
        try:
            return unpack_result(payload)
        except ResultError as error:
            return Failed(self._named(index, error))

    def _named(self, index: int, error: BaseException) -> BaseException:
        if not isinstance(error, PoisonError):
            named(error, f"element {index} of {self._name}")
        return error

    def _patience(self) -> float:
        most = 1.0 if self._look is None else LOOK_SECONDS
        return most if self._deadline is None else max(0.0, min(most, self._deadline - time.monotonic()))

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _check_time(self) -> None:
        if self._is_late:
            raise TimeoutError(
                f"{self._name} did not finish within {self.options.timeout} s; the rest was cancelled."
            )


def relayed(options: Options) -> InOrder | AsItComes:
    """What relays the elements' output as the user wants it."""
    return AsItComes() if options.output == "live" else InOrder(muted=options.output is False)


def drain(call: MapCall) -> list[Any]:
    """Takes what has arrived."""
    items = []
    while call.arrived:
        items.append(call.arrived.popleft())
    return items
