"""The client's I/O thread: an event loop that ends with the program.

uvloop halves what each hop costs compared with asyncio's own loop (benchmarks/round_trip.py).
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import uvloop

from ..core.notice import say

_T = TypeVar("_T")

_END_SECONDS, _QUIET_SECONDS = 30.0, 5.0
"""How long the thread may take for what it is asked at the end, since a busy machine may not run it for a while, and
after how long that is worth a line."""


class LoopThread:
    """An event loop in a thread of its own. Slots are started from it, since they end with that thread."""

    def __init__(self, name: str) -> None:
        _occupy_standard_descriptors()
        self._held_up = False
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether it is asked in the thread, as by a future's callback."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], _T]) -> _T:
        """Runs a function in the thread and waits for what it returns or raises."""
        return self._start(function).result()

    def call_at_the_end(self, function: Callable[[], _T]) -> _T:
        """As `call`, for a thread that is to end and may have ended already. In the thread itself it just runs it.

        Raises:
            TimeoutError: It has, or is held up by something.
        """
        if self.is_current:
            return function()
        future, patience = self._start(function), 0.0 if self._held_up else _QUIET_SECONDS
        try:
            return future.result(patience)
        except TimeoutError:
            if future.done() or not self._thread.is_alive() or self._held_up:
                raise
        say("the end of the plan takes long, as when a future's callback does not return; it is waited for")
        self._held_up = True
        found = future.result(_END_SECONDS)
        self._held_up = False
        return found

    def _start(self, function: Callable[[], _T]) -> Future[_T]:
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Calls a function in the thread when time has passed."""
        self.loop.call_soon_threadsafe(self.loop.call_later, seconds, function)

    def stop(self) -> None:
        """Ends the loop and waits for the thread."""
        if not self._thread.is_alive():
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        if self.is_current:
            return
        self._thread.join(0.0 if self._held_up else _END_SECONDS)
        if not self._thread.is_alive():
            self.loop.close()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


def _occupy_standard_descriptors() -> None:
    """Opens those of 0, 1 and 2 that are closed, as in a daemon: libuv aborts the program if it is given one."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
