"""A clock that stands still until it is moved, and event loops that live by it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any


class Timer:
    """As asyncio's TimerHandle."""

    def __init__(self, at: float, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.at = at
        self.over = False
        self._function = function
        self._args = args

    def cancel(self) -> None:
        self.over = True

    def run(self) -> None:
        self.over = True
        self._function(*self._args)


class FakeLoop:
    """An event loop whose clock stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Timer]] = []

    @property
    def due(self) -> list[float]:
        """When what is still to be called is due."""
        return sorted(at for at, _, timer in self._timers if not timer.over)

    def time(self) -> float:
        """As asyncio's."""
        return self.now

    def call_later(self, delay: float, function: Callable[..., Any], *args: Any) -> Timer:
        """As asyncio's."""
        timer = Timer(self.now + delay, function, args)
        heapq.heappush(self._timers, (timer.at, next(self._order), timer))
        return timer

    def call_soon_threadsafe(self, function: Callable[..., Any], *args: Any) -> Timer:
        """As asyncio's: not now, but at the next step of the loop."""
        return self.call_later(0.0, function, *args)

    def step(self, until: float | None = None) -> bool:
        """Calls what is due first; returns whether there was anything.

        Args:
            until: The clock may go on until then.
        """
        limit = self.now if until is None else until
        while self._timers and self._timers[0][0] <= limit:
            at, _, timer = heapq.heappop(self._timers)
            if not timer.over:
                self.now = max(self.now, at)
                timer.run()
                return True
        return False


class Process:
    """The part of a loop that dies with one process.

    Attributes:
        current: What runs at the moment; the runtime asks for the running loop and gets this one.
    """

    current: Process

    def __init__(self, loop: FakeLoop) -> None:
        self.alive = True
        self._loop = loop

    def time(self) -> float:
        """As asyncio's."""
        return self._loop.now

    def create_future(self) -> Future[Any]:
        """As asyncio's, nearly."""
        return Future()

    def call_later(self, delay: float, function: Callable[..., Any], *args: Any) -> Timer:
        """As asyncio's."""
        return self._loop.call_later(delay, self._run, function, *args)

    def call_soon_threadsafe(self, function: Callable[..., Any], *args: Any) -> Timer:
        """As asyncio's."""
        return self._loop.call_later(0.0, self._run, function, *args)

    def run_in_executor(self, executor: None, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """As asyncio's: not now, but at the next step of the loop."""
        future: Future[Any] = Future()
        self.call_soon_threadsafe(self._execute, future, function, args)
        return future

    @contextmanager
    def running(self) -> Iterator[None]:
        """What is done in this process."""
        Process.current = self
        yield

    def _execute(self, future: Future[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            result = function(*args)
        except OSError as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _run(self, function: Callable[..., Any], *args: Any) -> None:
        if self.alive:
            Process.current = self
            function(*args)
