"""The futures that a session has on the way: at most so many bytes of arguments, the others wait here (R16)."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable

from ..core.settings import WINDOW_BYTES
from ..protocol.messages import Cancel, Message, Task, Tasks
from .calls import TaskCall


class Window:
    """What is on the way, and what waits.

    Attributes:
        outstanding: Bytes of arguments that are on the way.
    """

    def __init__(self) -> None:
        self._held: deque[TaskCall] = deque()
        self.outstanding = 0

    def hold(self, call: TaskCall) -> None:
        """A future has to wait until there is less on the way."""
        call.sent = False
        self._held.append(call)

    def ended(self, call: TaskCall) -> bool:
        """A future is over; returns whether others can be sent now."""
        if call.sent:
            self.outstanding -= len(call.payload)
        return bool(self._held) and self.outstanding <= WINDOW_BYTES

    def restart(self, calls: Iterable[TaskCall]) -> None:
        """Nothing is on the way any more: all of these are to be sent."""
        self._held = deque(calls)
        self.outstanding = 0

    def next(self, wanted: Container[int]) -> list[Message]:
        """Those that can be sent now; those that are not wanted any more are left out."""
        tasks: list[Task] = []
        unwanted: list[int] = []
        while self._held and self.outstanding <= WINDOW_BYTES:
            call = self._held.popleft()
            if call.id in wanted:
                call.sent = True
                tasks.append(Task(call.id, call.function, call.payload, call.retries))
                self.outstanding += len(call.payload)
                if call.unwanted:
                    unwanted.append(call.id)
        messages: list[Message] = [Tasks(tasks)] if tasks else []
        return [*messages, Cancel(tuple(unwanted), waiting=True)] if unwanted else messages
