"""What a session has under way on Dask, cut into chunks: pure state, no I/O.

    Session ── messages ──> DaskCalls ── Sent ──> Dask
            <─ messages ──           <── done, died, lost

Dask is given a few chunks a worker at a time, so that what is cancelled has mostly not left this process, short
calls are not stuck behind long ones, and chunks follow measured time (R11, R14, R16).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count

import msgspec

from ..core.settings import CHUNK_BYTES, CHUNK_ELEMENTS, LOSSES
from ..protocol.messages import (
    Cancel,
    Elements,
    Failure,
    Function,
    Message,
    Open,
    Release,
    Results,
    Span,
    Tally,
    TallyRequest,
    Tasks,
    UnseededCall,
)  # fmt: skip
from ..protocol.poison import ARGUMENT_BYTES, PoisonReport, Strike, encode_report
from ..worker.in_dask import Answer, Chunk
from .dask_suspects import Suspects

CHUNK_SECONDS = 0.2
"""A chunk holds about so much measured work: Dask needs about a millisecond for each, and progress comes with them."""

AHEAD = 2
"""So many chunks a worker are with Dask, so that none of them waits for us."""


@dataclass(frozen=True)
class Sent:
    """A chunk that is given to Dask.

    Attributes:
        number: Unique in this back end.
        function: The id of what it calls.
    """

    number: int
    call: int
    function: int
    chunk: Chunk


@dataclass
class _Call:
    """A map, or a single future, which is one of one element.

    Attributes:
        waiting: Elements that were not given to Dask, in order.
        total: How many elements there will be, -1 while that is not known.
        again: Chunks that Dask has forgotten, to be sent once more.
        losses: How often Dask has forgotten a chunk, by its first element.
        flying: How many chunks are with Dask.
        retried: How often an element ran again, as far as that is known.
    """

    id: int
    function: int
    total: int
    chunk_size: int
    retries: int
    single: bool = False
    waiting: deque[bytes] = field(default_factory=deque)
    complete: bool = False
    taken: int = 0
    again: deque[Chunk] = field(default_factory=deque)
    losses: dict[int, int] = field(default_factory=dict)
    flying: int = 0
    ran: int = 0
    seconds: float = 0.0
    retried: int = 0


class DaskCalls:
    """The calls of one session.

    Attributes:
        functions: What the session has sent to call, by id.
    """

    def __init__(self) -> None:
        self.functions: dict[int, Function] = {}
        self._calls: dict[int, _Call] = {}
        self._futures: deque[int] = deque()
        self._maps: deque[int] = deque()
        self._sent: dict[int, Sent] = {}
        self._suspects = Suspects()
        self._numbers = count(1)

    def receive(self, message: Message) -> list[int]:
        """A message of the session's. Returns the numbers of the chunks that Dask is to forget."""
        match message:
            case Function():
                self.functions[message.id] = message
            case Release():
                for function in message.functions:
                    self.functions.pop(function, None)
            case Open():
                self._calls[message.call] = _Call(
                    message.call, message.function, message.total, message.chunk_size, message.retries
                )
                self._maps.append(message.call)
            case Elements():
                call = self._calls.get(message.call)
                if call is not None:
                    call.waiting.extend(message.payloads)
                    call.complete = call.complete or message.last
                    self._forget_finished(call)
            case Tasks():
                for task in message.tasks:
                    call = _Call(task.call, task.function, 1, 1, task.retries, True)
                    call.waiting.append(task.payload)
                    call.complete = True
                    self._calls[task.call] = call
                    self._futures.append(task.call)
            case Cancel():
                return [number for call in message.calls for number in self._cancel(call)]
        return []

    def withdraw(self, message: Cancel) -> list[Message]:
        """Cancels those of some futures that Dask has not been given: what the session is told."""
        told: list[Message] = []
        for number in message.calls:
            call = self._calls.get(number)
            if call is not None and call.single and call.waiting:
                self._cancel(number)
                told.append(Failure(number, 0, "withdrawn", b""))
        return told

    def tally(self, message: TallyRequest, slots: int) -> list[Message]:
        """How a map is doing: so many workers run its chunks; what was sent once more or ran again is retried."""
        call = self._calls.get(message.call)
        if call is None:
            return []
        return [Tally(call.id, min(call.flying, slots), call.retried + sum(call.losses.values()))]

    def next(self, slots: int) -> list[Sent]:
        """The chunks to give to Dask now, for so many workers: single futures first, then the maps in turn."""
        if self._suspects.hold_up(self._sent):
            suspect = self._suspects.next(self._sent)
            return [] if suspect is None else [self._send(self._calls[suspect[0]], suspect[1], tried=True)]
        sent: list[Sent] = []
        room = AHEAD * slots - len(self._sent)
        while room > 0 and self._futures:
            future = self._calls.get(self._futures.popleft())
            chunk = self._next_chunk(future, slots) if future is not None else None
            if future is not None and chunk is not None:
                sent.append(self._send(future, chunk))
                room -= 1
        idle = 0
        while room > 0 and idle < len(self._maps):
            self._maps.rotate(-1)
            call = self._calls[self._maps[-1]]
            chunk = self._next_chunk(call, slots)
            if chunk is None:
                idle += 1
                continue
            idle = 0
            sent.append(self._send(call, chunk))
            room -= 1
        return sent

    def function_of(self, number: int) -> int:
        """The id of what a chunk that is with Dask calls; 0 for one that is not."""
        sent = self._sent.get(number)
        return 0 if sent is None else sent.function

    def done(self, number: int, answer: Answer) -> list[Message]:
        """Dask has run a chunk: what the session is told."""
        sent, call = self._landed(number)
        if sent is None or call is None:
            return []
        call.ran += len(answer.payloads)
        call.seconds += answer.seconds
        call.retried += answer.retried
        messages: list[Message] = [UnseededCall(call.id, answer.drew)] if answer.drew else []
        raised = set(answer.raised)
        at, last = 0, len(answer.payloads)
        while at < last:
            if at in raised:
                messages.append(Failure(call.id, sent.chunk.start + at, "raised", answer.payloads[at]))
                at += 1
                continue
            end = next((index for index in range(at, last) if index in raised), last)
            messages.append(Results([Span(call.id, sent.chunk.start + at, answer.payloads[at:end])]))
            at = end
        self._forget_finished(call)
        return messages

    def failed(self, number: int, payload: bytes) -> list[Message]:
        """Dask could not run a chunk; all of its elements get this packed exception."""
        sent, call = self._landed(number)
        if sent is None or call is None:
            return []
        self._forget_finished(call)
        first = sent.chunk.start
        return [
            Failure(call.id, index, "raised", payload)
            for index in range(first, first + len(sent.chunk.payloads))
        ]

    def died(self, number: int, deaths: int, reason: str, host: str) -> list[Message]:
        """A chunk was with so many workers that ended, and Dask has given it up (R19)."""
        return self._give_up(number, PoisonReport(deaths, 0, (Strike(reason, host, ""),) * deaths))

    def unsent(self, number: int) -> None:
        """A chunk could not be given to Dask, for no reason of its own."""
        sent, call = self._landed(number)
        if sent is None or call is None:
            return
        call.again.appendleft(sent.chunk)
        if call.single:
            self._futures.appendleft(call.id)

    def lost(self, number: int) -> list[Message]:
        """Dask has forgotten a chunk, with its scheduler or with data that it needed: it is sent once more (R4)."""
        sent = self._sent.get(number)
        call = None if sent is None else self._calls.get(sent.call)
        if sent is None or call is None:
            return []
        losses = call.losses[sent.chunk.start] = call.losses.get(sent.chunk.start, 0) + 1
        if losses >= LOSSES:
            return self._give_up(number, PoisonReport(0, losses))
        self._landed(number)
        call.again.append(sent.chunk)
        if call.single:
            self._futures.append(call.id)
        return []

    def _give_up(self, number: int, report: PoisonReport) -> list[Message]:
        """The elements of a chunk are tried one at a time; the one to blame is the one that was alone."""
        alone = self._suspects.was_alone(number)
        sent, call = self._landed(number)
        if sent is None or call is None:
            return []
        chunk = sent.chunk
        if not alone or len(chunk.payloads) > 1:
            self._suspects.add(call.id, chunk)
            return []
        self._forget_finished(call)
        function, payload = self.functions[call.function], chunk.payloads[0]
        report = msgspec.structs.replace(
            report,
            arguments=payload if len(payload) <= ARGUMENT_BYTES else b"",
            own_seeds=function.own_seeds,
            bare=function.bare,
        )
        return [Failure(call.id, chunk.start, "poison", encode_report(report))]

    def _next_chunk(self, call: _Call, slots: int) -> Chunk | None:
        """The next elements of a call, if any are to be given to Dask now."""
        if call.again:
            return call.again.popleft()
        if not call.waiting:
            return None
        length = call.chunk_size
        if length and len(call.waiting) < length and not call.complete and call.flying:
            return None
        if not length:
            left = max(call.total - call.taken, len(call.waiting))
            mean = call.seconds / call.ran if call.ran else CHUNK_SECONDS
            length = min(
                CHUNK_ELEMENTS, max(1, int(CHUNK_SECONDS / max(mean, 1e-9))), max(1, left // (2 * slots))
            )
        payloads: list[bytes] = []
        size = 0
        while call.waiting and len(payloads) < length and (size < CHUNK_BYTES or call.chunk_size):
            payloads.append(call.waiting.popleft())
            size += len(payloads[-1])
        start = call.taken
        call.taken += len(payloads)
        return Chunk(start, payloads, call.retries)

    def _send(self, call: _Call, chunk: Chunk, tried: bool = False) -> Sent:
        call.flying += 1
        sent = Sent(next(self._numbers), call.id, call.function, chunk)
        self._suspects.sent(sent.number, self._sent, tried)
        self._sent[sent.number] = sent
        return sent

    def _landed(self, number: int) -> tuple[Sent | None, _Call | None]:
        sent = self._sent.pop(number, None)
        self._suspects.landed(number)
        call = None if sent is None else self._calls.get(sent.call)
        if call is not None:
            call.flying -= 1
        return sent, call

    def _cancel(self, number: int) -> list[int]:
        call = self._calls.pop(number, None)
        if call is not None and not call.single:
            self._maps.remove(number)
        self._suspects.cancel(number)
        gone = [sent.number for sent in self._sent.values() if sent.call == number]
        for one in gone:
            del self._sent[one]
            self._suspects.landed(one)
        return gone

    def _forget_finished(self, call: _Call) -> None:
        if call.complete and not (call.waiting or call.again or call.flying or self._suspects.of(call.id)):
            self._calls.pop(call.id, None)
            if not call.single:
                self._maps.remove(call.id)
