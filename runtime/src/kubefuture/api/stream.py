"""One map on any plan, as a stream of outcomes: what `map` and `imap` are made of."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

import msgspec

from ..backends.base import Backend
from ..client.calls import MapCall, exception_of
from ..client.named import NamedCall
from ..core import rng
from ..core.blobs import BlobFile
from ..core.elements import FunctionRunner, with_own_seed
from ..core.interrupts import undisturbed
from ..core.packing import SHORT, dumps, pack_element, unpack, unpack_result
from ..core.settings import QUIET_SECONDS, READ_AHEAD
from ..core.unseeded import warn_unseeded
from ..errors import KubefutureError, PlanError, PoisonError, ResultError
from ..protocol.messages import Failure, Span
from .names import naming_of
from .options import Options
from .plan import current_plan
from .running import Failed, packed_function, run_in_place, with_blobs
from .weight import Weight

_FIRST_BATCH, _BATCH = 64, 2048
_READ_SECONDS = 0.005
"""What was read from slow inputs is sent after this long."""

"""A long map begins with few inputs, so that work starts at once. One of at most `_BATCH` elements is packed
as a whole, so that nothing is sent if one of them cannot be."""


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
        self.total = _length(iterables)
        self._name = options.label or getattr(function, "__name__", "") or "map"
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout
        seeds = options.seed if rng.is_list(options.seed) else None
        self._roots = rng.roots_of(seeds) if seeds is not None else None
        if self._roots is not None and self.total is not None and len(self._roots) != self.total:
            raise PlanError(f"seed has {len(self._roots)} entries, but the map has {self.total} elements.")
        self._inputs = enumerate(zip(*iterables, strict=False))
        self._function, self._files = packed_function(
            function, len(iterables), options.seed, options.task_timeout
        )
        self._bare = len(iterables) == 1
        if self._bare:
            self._function = msgspec.structs.replace(self._function, bare=True)
        self._shared: dict[bytes, BlobFile] = {}
        self._referred = 0
        self._naming = naming_of(function, options)
        self.taken = 0
        self._read = 0
        self._exhausted = False
        self._ahead = ahead
        self._backend = current_plan().backend()
        self._open = True
        self._call = self._start(self._backend) if self._backend is not None else None

    def __iter__(self) -> Generator[Outcomes, None, None]:
        if self._backend is None or self._call is None:
            return self._sequential()
        return self._remote(self._backend, self._call)

    @property
    def _is_long(self) -> bool:
        return self.total is None or self.total > _BATCH

    def _start(self, backend: Backend) -> MapCall:
        call: MapCall | None = None
        try:
            total = -1 if self.total is None else self.total
            chunk_size, retries = self.options.chunk_size or 0, self.options.retries
            with undisturbed():
                naming = self._naming if backend.journaled else None
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
        for index, args in self._inputs:
            self._check_time()
            payload = self._packed(index, args)
            if self._refers_to_more():
                runner.learn(self._function.blobs)
            self._read += 1
            outcome = run_in_place(runner, index, payload, self.options.retries, self._named)
            yield index, [outcome], isinstance(outcome, Failed)
        self._check_seeds()

    def close(self) -> None:
        """Cancels what is left, also when nobody has asked for an outcome yet. A named map goes on."""
        self._open = False
        if self._backend is not None and self._call is not None:
            with undisturbed():
                if isinstance(self._call, NamedCall):
                    self._backend.session.leave(self._call)
                else:
                    self._backend.session.cancel(self._call)

    def __del__(self) -> None:
        """Ctrl-C can come between the making of a stream and the block that closes it."""
        if self._open:
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
            if poisoned and self._ahead and not call.arrived and call.settled == len(call.payloads):
                yield from poisoned  # its siblings have finished, and no more are read before it is taken
                poisoned.clear()
                continue
            arrived = self._wait(backend, call)
            if call.unseeded and not warned:
                warned = True
                warn_unseeded(call.unseeded)
            for item in arrived:
                if isinstance(item, KubefutureError):
                    raise type(item)(str(item))
                if isinstance(item, Failure):
                    failed = item.index, [Failed(self._named(item.index, exception_of(item)))], True
                    if item.kind == "poison":
                        poisoned.append(failed)
                    else:
                        yield failed
                else:
                    if weight is not None:
                        weight.add(item)
                    yield self._unpacked(item)
            if call.finished and not call.arrived:
                break
        yield from poisoned

    def _feed(self, backend: Backend, call: MapCall) -> None:
        """Packs and sends inputs: all of them, or some ahead of what was taken (R16)."""
        while not self._exhausted:
            batch = _FIRST_BATCH if self._read == 0 and self._is_long else _BATCH
            if self._ahead:
                room = max(READ_AHEAD, 4 * backend.n_workers) - (self._read - self.taken)
                if room <= 0:
                    return
                batch = min(batch, room)
            payloads = self._next_inputs(batch)
            if self._refers_to_more():
                backend.session.replace_function(call, self._function, self._files)
            with undisturbed():
                backend.session.add_elements(call, payloads, last=self._exhausted)
            if call.arrived:
                return

    def _next_inputs(self, batch: int) -> list[bytes]:
        """Packs the next inputs: at most `batch`, and few where reading them takes long."""
        until = time.monotonic() + _READ_SECONDS
        payloads: list[bytes] = []
        plain, bare = self._roots is None, self._bare
        for index, args in self._inputs:
            if plain and len(args) == 1 and type(args[0]) in SHORT:
                payloads.append(dumps(args[0] if bare else (args, None), 5))
            else:
                payloads.append(self._packed(index, args))
            if len(payloads) == batch or time.monotonic() > until:
                self._exhausted = index + 1 == self.total
                break
        else:
            self._exhausted = True
        self._read += len(payloads)
        if self._exhausted:
            self._check_seeds()
        return payloads

    def _wait(self, backend: Backend, call: MapCall) -> list[Any]:
        """What has arrived; waits for at least one item while any is to come."""
        if not self._exhausted and call.arrived:
            return _drain(call)
        quiet_until = time.monotonic() + QUIET_SECONDS
        said = False
        # Not the condition, whose entering Ctrl-C could break off with the lock held.
        with backend.session.lock:
            while not call.arrived and not call.finished:
                if not call.changed.wait(self._patience()):
                    self._check_time()
                    if not said and backend.session.slots == 0 and time.monotonic() > quiet_until:
                        said = True
                        print_line(f"kubefuture: no slot is connected, waiting: {backend.why_no_slots}.")
        return _drain(call)

    def _packed(self, index: int, args: tuple[Any, ...]) -> bytes:
        payload = pack_element(args, None, index, self._shared, bare=self._bare)
        if self._roots is None:
            return payload
        if index >= len(self._roots):
            raise PlanError(f"seed has {len(self._roots)} entries, but the map has more elements.")
        return with_own_seed(self._roots[index], payload)

    def _refers_to_more(self) -> bool:
        """Whether elements refer to shared data that the function's message does not tell of yet; now it does."""
        if len(self._shared) == self._referred:
            return False
        self._referred = len(self._shared)
        self._function, self._files = with_blobs(self._function, self._files, self._shared)
        return True

    def _unpacked(self, span: Span) -> Outcomes:
        try:
            return span.start, list(map(unpack, span.payloads)), False
        except Exception:  # one of them cannot be unpacked here
            return span.start, [self._one(*pair) for pair in enumerate(span.payloads, span.start)], True

    def _one(self, index: int, payload: bytes) -> Any:
        try:
            return unpack_result(payload)
        except ResultError as error:
            return Failed(self._named(index, error))

    def _check_seeds(self) -> None:
        if self._roots is not None and len(self._roots) != self._read:
            raise PlanError(f"seed has {len(self._roots)} entries, but the map has {self._read} elements.")

    def _named(self, index: int, error: BaseException) -> BaseException:
        if not isinstance(error, PoisonError):
            error.add_note(f"kubefuture: element {index} of {self._name}")
        return error

    def _patience(self) -> float:
        if self._deadline is None:
            return 1.0
        return max(0.0, min(1.0, self._deadline - time.monotonic()))

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError(
                f"{self._name} did not finish within {self.options.timeout} s; the rest was cancelled."
            )


def print_line(text: str) -> None:
    """One line for the user, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _drain(call: MapCall) -> list[Any]:
    items = []
    while call.arrived:
        items.append(call.arrived.popleft())
    return items


def _length(iterables: tuple[Iterable[Any], ...]) -> int | None:
    try:
        return min(len(iterable) for iterable in iterables)  # type: ignore[arg-type]
    except TypeError:
        return None
