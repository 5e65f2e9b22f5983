"""The futures that a session has on the way: at most so many bytes of arguments, the others wait here (R16)."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping

from ..core.settings import WINDOW_BYTES
from ..protocol.messages import Cancel, Message, Task, Tasks
from .calls import MapCall, TaskCall


class Window:
    """What is on the way, and what waits: all maps and futures of a session share one window.

    Whoever has nothing on the way may always send a little, so that nobody waits for somebody else's long elements.

    Args:
        maps: The session's maps that are under way, as they come and go.

    Attributes:
        outstanding: Bytes of futures' arguments that are on the way.
    """

    def __init__(self, maps: Mapping[int, MapCall]) -> None:
        self._maps = maps
        self._held: deque[TaskCall] = deque()
        self._allowance = WINDOW_BYTES
        self.outstanding = 0

    @property
    def full(self) -> bool:
        """Whether the next future has to wait."""
        return self.outstanding > self._allowance

    def more(self, call: MapCall) -> list[Message]:
        """What a map may send now."""
        self._share()
        return call.next_elements()

    def _share(self) -> None:
        """Says to each how much may be on the way: what is, and what there is room for."""
        of_maps = sum(call.outstanding for call in self._maps.values())
        self._allowance = max(0, WINDOW_BYTES - of_maps)
        room = max(0, self._allowance - self.outstanding)
        for call in self._maps.values():
            call.allowance = call.outstanding + room

    def go_on(self, wanted: Container[int]) -> list[Message]:
        """There may be room: what those send who had none."""
        if not self._held and len(self._maps) < 2:
            return []
        self._share()
        messages = self.next(wanted)
        for call in self._maps.values():
            if call.sent < len(call.payloads):
                messages += self.more(call)
        return messages

    def hold(self, call: TaskCall) -> None:
        """A future has to wait until there is less on the way."""
        call.sent = False
        self._held.append(call)

    def ended(self, call: TaskCall) -> bool:
        """A future is over; returns whether others can be sent now."""
        if call.sent:
            self.outstanding -= len(call.payload)
        return bool(self._held) and not self.full

    def restart(self, calls: Iterable[TaskCall]) -> None:
        """Nothing is on the way any more: all of these are to be sent."""
        self._held = deque(calls)
        self.outstanding = 0

    def next(self, wanted: Container[int]) -> list[Message]:
        """Those that can be sent now; those that are not wanted any more are left out."""
        tasks: list[Task] = []
        unwanted: list[int] = []
        while self._held and not self.full:
            call = self._held.popleft()
            if call.id in wanted:
                call.sent = True
                tasks.append(Task(call.id, call.function, call.payload, call.retries))
                self.outstanding += len(call.payload)
                if call.unwanted:
                    unwanted.append(call.id)
        messages: list[Message] = [Tasks(tasks)] if tasks else []
        return [*messages, Cancel(tuple(unwanted), waiting=True)] if unwanted else messages
