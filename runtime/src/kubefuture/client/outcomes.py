"""What has arrived for single futures, and is given to them in whichever thread has time."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from ..errors import KubefutureError
from ..protocol.messages import Failure, PrintedCall, Span
from .calls import TaskCall

Outcome = Span | Failure | KubefutureError | PrintedCall


class Outcomes:
    """The queue between the thread that receives and the futures.

    `deliver` runs without the session's lock, since it runs the user's code, which may wait for a thread
    that wants the lock.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[TaskCall, Outcome]] = deque()
        self._delivered: set[TaskCall] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def append(self, call: TaskCall, outcome: Outcome) -> None:
        """Takes what a call has come to."""
        call.arrived()
        self._waiting.append((call, outcome))

    def deliver(self) -> None:
        """Gives futures what has arrived for them, in any thread."""
        while True:
            try:
                call, outcome = self._waiting.popleft()
            except IndexError:
                return
            self._delivered.add(call)
            try:
                call.settle(outcome)
            except BaseException as error:  # a callback's SystemExit must not end the I/O thread
                with suppress(Exception):  # nor a standard error that was closed
                    traceback.print_exception(error)
            self._delivered.discard(call)

    def abandon(self, under_way: Iterable[TaskCall], error: KubefutureError) -> None:
        """In a fork of the program: nobody is here to settle these futures, not even one that is just being settled.

        Args:
            under_way: The calls without an outcome.
            error: What those who wait for them get.
        """
        for call in [*under_way, *(call for call, _ in self._waiting), *self._delivered]:
            call.abandon(error)
        self._waiting.clear()
        self._delivered.clear()
