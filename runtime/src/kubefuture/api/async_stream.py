"""One map for an event loop: what may block is done in steps, each in a thread of the loop's pool.

    inputs ── reader, in the loop or a thread ──> feed ──> session
    outcomes <── take <── woken by the session, in the loop

No thread waits: not for results, and not for inputs of asynchronous iterables.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

from ..backends.base import Backend
from ..client.calls import MapCall
from ..client.named import NamedCall
from ..core.elements import FunctionRunner
from ..core.settings import READ_AHEAD
from ..core.unseeded import warn_unseeded
from ..protocol.messages import Failure, PrintedCall, Tally
from .options import Options
from .stream import Outcomes, Stream, drain

AnyIterable = Iterable[Any] | AsyncIterable[Any]
"""An iterable, or an asynchronous one."""

_LOOK_SECONDS = 1.0


class AsyncStream:
    """The outcomes of one map in an event loop.

    Args:
        function: What each element calls.
        iterables: Iterables and asynchronous ones; the shortest decides.
        options: How.
        ahead: Read inputs only a little ahead of `taken`, not all at once.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        iterables: tuple[AnyIterable, ...],
        options: Options,
        *,
        ahead: bool,
    ) -> None:
        self._function = function
        self._options = options
        self._asynchronous = any(isinstance(one, AsyncIterable) for one in iterables)
        self._iterables = iterables
        self._ahead = ahead
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._rows: list[tuple[Any, ...]] = []
        self._read = 0
        self._taken = 0
        self._read_all = False
        self._woken = False
        self.total: int | None = None
        self._steps: _Steps | None = None

    def taken(self, elements: int) -> None:
        """So many results were taken in order, so that more inputs may be read."""
        self._taken = elements
        self._room.set()

    def give_up(self) -> None:
        """Cancels what is left, because of an error (R18)."""
        if self._steps is not None:
            self._steps.give_up()

    def watch(self, look: Callable[[Tally | None, int], object]) -> None:
        """As for a Stream; once outcomes come."""
        if self._steps is not None:
            self._steps.watch(look)

    async def outcomes(self) -> AsyncGenerator[Outcomes, None]:
        """All outcomes, as they come. Close it to cancel what is left."""
        # Asynchronous ones are read here, and the steps are given what was read.
        plain = [one for one in self._iterables if not isinstance(one, AsyncIterable)]
        given = tuple(iter(()) for _ in self._iterables) if self._asynchronous else tuple(plain)
        steps = await asyncio.to_thread(_Steps, self._function, given, self._options, self._wake)
        self._steps, self.total = steps, None if self._asynchronous else steps.total
        self._ahead = self._ahead and not steps.is_handed_over
        feeder = asyncio.create_task(self._feed(steps))
        feeder.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                self._news.clear()
                self._woken = False
                if feeder.done():
                    feeder.result()
                steps.check_time()
                steps.look()
                if steps.has_news:
                    outcomes = await asyncio.to_thread(steps.take)
                    steps.check_time()  # what arrived while this program did not run may be too late
                    for outcome in outcomes:
                        yield outcome
                    continue
                if steps.finished:
                    break
                for outcome in steps.given_up() if self._ahead else ():
                    yield outcome  # no more are read before it is taken
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), min(_LOOK_SECONDS, steps.left()))
            for outcome in steps.poisoned:
                yield outcome
        finally:
            steps.close()
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)

    async def _feed(self, steps: _Steps) -> None:
        """Gives the steps all inputs, some ahead of what was taken (R16)."""
        if not self._asynchronous:
            while not steps.exhausted:
                await self._until_room(steps, lambda: steps.read)
                await asyncio.to_thread(steps.feed, self._most(steps, steps.read))
                self._news.set()
            return
        ready = asyncio.Event()
        reader = asyncio.create_task(self._read_rows(steps, ready))
        try:
            while not steps.exhausted:
                await ready.wait()
                ready.clear()
                if reader.done():
                    reader.result()
                rows, self._rows = self._rows, []
                await asyncio.to_thread(steps.feed_rows, rows, self._read_all)
                self._news.set()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read_rows(self, steps: _Steps, ready: asyncio.Event) -> None:
        """Reads asynchronous inputs in one task, as some of them want."""
        iterators = [
            aiter(one) if isinstance(one, AsyncIterable) else _in_threads(iter(one))
            for one in self._iterables
        ]
        try:
            while True:
                await self._until_room(steps, lambda: self._read)
                try:
                    row = tuple([await anext(one) for one in iterators])
                except StopAsyncIteration:
                    break
                self._rows.append(row)
                self._read += 1
                ready.set()
        finally:
            self._read_all = True
            ready.set()

    async def _until_room(self, steps: _Steps, read: Callable[[], int]) -> None:
        while self._most(steps, read()) == 0:
            self._room.clear()
            await self._room.wait()

    def _most(self, steps: _Steps, read: int) -> int | None:
        """How many more may be read; None for any number."""
        if not self._ahead:
            return None
        workers = 1 if steps.backend is None else steps.backend.n_workers
        return max(0, max(READ_AHEAD, 4 * workers) - (read - self._taken))

    def _wake(self) -> None:
        """Something has arrived. In any thread, with the session's lock held."""
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)


class _Steps(Stream):
    """A stream whose steps somebody else takes, one at a time; what `take` and `feed` do may take long."""

    def __init__(
        self,
        function: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        options: Options,
        wake: Callable[[], None],
    ) -> None:
        self._wake = wake
        self._runner: FunctionRunner | None = None
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._warned = False
        self.poisoned: list[Outcomes] = []
        super().__init__(function, iterables, options, ahead=True)
        if self._backend is None:
            self._runner = FunctionRunner(self._function)

    @property
    def backend(self) -> Backend | None:
        """Where it runs, None in place."""
        return self._backend

    @property
    def is_handed_over(self) -> bool:
        """It is a named map of a known length, so its inputs are not kept back (R5)."""
        return self.total is not None and isinstance(self._call, NamedCall)

    @property
    def read(self) -> int:
        """How many inputs were read."""
        return self._inputs.read

    @property
    def exhausted(self) -> bool:
        """There are no more inputs."""
        return self._inputs.exhausted

    @property
    def has_news(self) -> bool:
        """Whether `take` has something to do."""
        return bool(self._waiting) if self._call is None else bool(self._call.arrived)

    @property
    def finished(self) -> bool:
        """Whether all has been taken."""
        if self._call is None:
            return self.exhausted and not self._waiting
        return self._call.finished and not self._call.arrived

    def given_up(self) -> list[Outcomes]:
        """Elements that were given up, once all others that were read have finished; each is told once."""
        if self._call is None or not self._call.caught_up:
            return []
        given_up, self.poisoned = self.poisoned, []
        return given_up

    def left(self) -> float:
        """Seconds until time is up."""
        return self._patience()

    def check_time(self) -> None:
        """Raises TimeoutError when time is up."""
        self._check_time()

    def feed(self, most: int | None) -> None:
        """Reads, packs and sends the next inputs, at most so many."""
        self._give(self._inputs.next(most))

    def feed_rows(self, rows: list[tuple[Any, ...]], last: bool) -> None:
        """Packs and sends inputs that were read elsewhere."""
        self._give(self._inputs.pack(rows, last=last))

    def take(self) -> list[Outcomes]:
        """What has arrived, unpacked. In place: runs the next element."""
        if self._call is None:
            assert self._runner is not None
            return [self._in_place(self._runner, *self._waiting.popleft())]
        taken: list[Outcomes] = []
        items = drain(self._call)
        if self._call.unseeded and not self._warned:
            self._warned = True
            warn_unseeded(self._call.unseeded)
        for item in items:
            if isinstance(item, PrintedCall):
                self._output.heard(item)
                continue
            outcome = self._outcome(item)
            poison = isinstance(item, Failure) and item.kind == "poison"
            (self.poisoned if poison else taken).append(outcome)
        return taken

    def _give(self, payloads: list[bytes]) -> None:
        if self._call is None or self._backend is None:
            start = self._inputs.read - len(payloads)
            self._waiting.extend(enumerate(payloads, start))
        else:
            self._add(self._backend, self._call, payloads)

    def _start(self, backend: Backend) -> MapCall:
        call = super()._start(backend)
        call.changed.listener = self._wake
        return call

    def _feed(self, backend: Backend, call: MapCall) -> None:
        """Inputs come later."""


async def _in_threads(iterator: Any) -> AsyncIterator[Any]:
    """A plain iterator beside asynchronous ones: it may be slow."""
    over = object()
    while (value := await asyncio.to_thread(next, iterator, over)) is not over:
        yield value
