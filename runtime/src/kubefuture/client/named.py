"""A client's named maps: the scheduler's journal holds them, the client only sends and fetches (R5).

OpenNamed ──> Named ──> Elements ...  until all are acknowledged; then the client may leave
Attach    ──> Named ──> Fetch ──> Fetched ──> Fetch ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakSet

from ..errors import NamedMapError
from ..protocol.messages import (
    Attach,
    Blob,
    BlobKept,
    BlobRefused,
    Cancel,
    Elements,
    Fetch,
    Fetched,
    Forget,
    Forgotten,
    Function,
    KeepBlob,
    Message,
    Named,
    NotNamed,
    OpenNamed,
    Span,
    TallyRequest,
)
from ..protocol.named_messages import IF_THERE
from .calls import MapCall

AboutNamed: TypeAlias = Named | Fetched | NotNamed | Forgotten
"""What a scheduler says about a named map."""


@dataclass(frozen=True)
class Naming:
    """What a named map is called.

    Attributes:
        name: Unique in the cluster.
        function_name: For people.
        seed: The seed argument as text.
        created: When, in seconds since 1970 (UTC).
        again: It may have been begun before, by the same run.
    """

    name: str
    function_name: str = ""
    seed: str = ""
    created: float = 0.0
    again: bool = False


_begun: WeakSet[NamedCall] = WeakSet()


def going_on() -> list[str]:
    """The names of this program's maps that are not over, and do not end with it."""
    mine = (call for call in _begun if not call.forgets and (call.left or not call.finished))
    return sorted({call.naming.name for call in mine if call.unfinished})


class NamedCall(MapCall):
    """A named map that this client began, or attached to.

    Attributes:
        asked: It was begun by somebody else, or earlier.
        forgets: It is to be forgotten.
        left: Nobody here waits for it any more, and it goes on.
        whole: How many elements it has, -1 while that is not known.
    """

    def __init__(
        self,
        call_id: int,
        function: int,
        lock: threading.RLock,
        *,
        naming: Naming,
        total: int = -1,
        chunk_size: int = 0,
        retries: int = 0,
        asked: bool = False,
        blobs: tuple[Blob, ...] = (),
    ) -> None:
        super().__init__(call_id, function, lock, total=total, chunk_size=chunk_size, retries=retries)
        self.naming = naming
        self.asked = asked
        self.complete = self.closed = asked
        self.forgets = self.left = False
        self.whole = -1
        self._blobs = blobs
        self._unkept: set[bytes] = set()
        self._opened = False
        self._function: Function | None = None
        self._key = 0
        self._named_as = 0
        self._cursor = 0
        self._under_way = 0
        _begun.add(self)

    @property
    def finished(self) -> bool:
        """All outcomes are here, or nobody waits."""
        return self.cancelled or (self.whole >= 0 and self.settled >= self.whole)

    @property
    def unfinished(self) -> int:
        """How many elements wait or run, as far as is known."""
        return max(self.whole, len(self.payloads), self.settled) - self.settled

    @property
    def number(self) -> int:
        """The journal's number of it, 0 while that is not known."""
        return self._named_as

    def watching(self) -> TallyRequest:
        """What to ask the scheduler to see how it is doing."""
        return TallyRequest(self.id, self._named_as)

    @property
    def accepted(self) -> bool:
        """The journal has all of it, so that the client may leave."""
        return self.cancelled or self.asked or (self.closed and not self._under_way)

    def opening(self) -> list[Message]:
        """What begins it, or takes it up again. What it refers to is on disk before that."""
        self._key = self._under_way = 0
        if self.forgets:
            return [Forget(self.id, self.naming.name, self._named_as)]
        if self.asked:
            return [Attach(self.id, self.naming.name, self._named_as)]
        self._opened, self._function = False, None
        return self._keep(self._blobs) or self._proceed()

    def refer(self, function: Function) -> list[Message]:
        """Its next elements refer to more blobs: what to send now."""
        known = {blob.digest for blob in self._blobs}
        self._blobs = function.blobs
        messages = self._keep(blob for blob in function.blobs if blob.digest not in known)
        if not self._opened:
            return [function, *messages]
        self._function = function
        return messages

    def about_blob(self, message: BlobKept | BlobRefused) -> list[Message]:
        """The scheduler has a blob on disk, or cannot: what to send now."""
        if message.digest not in self._unkept:
            return []
        self._unkept.discard(message.digest)
        if isinstance(message, BlobRefused):
            self.broken(
                NamedMapError(
                    f"The map {self.naming.name!r} cannot be begun, or not go on: {message.reason}."
                )
            )
            return []
        return [] if self._unkept else self._proceed()

    def _keep(self, blobs: Iterable[Blob]) -> list[Message]:
        missing = list(blobs)
        self._unkept |= {blob.digest for blob in missing}
        return [KeepBlob(blob.digest, blob.size) for blob in missing]

    def _proceed(self) -> list[Message]:
        """Everything that it refers to is on disk."""
        if self._opened:
            function, self._function = self._function, None
            return [*([function] if function is not None else []), *self.next_elements()]
        self._opened = True
        return [self.open_named(self._named_as)]

    def open_named(self, key: int) -> OpenNamed:
        """The message that begins it, or takes up the map with this number; see there."""
        naming = self.naming
        return OpenNamed(
            self.id, naming.name, self.function, naming.function_name, naming.seed, naming.created,
            self.total, self.chunk_size, self.retries, naming.again, key,
        )  # fmt: skip

    def receive(self, message: AboutNamed) -> list[Message]:
        """The scheduler said something of it: what to send now."""
        if isinstance(message, Named):
            return self._named(message)
        if isinstance(message, Fetched):
            return self._fetched(message)
        if isinstance(message, NotNamed) and not (self.forgets and self._named_as):
            begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.begun))
            self.broken(NamedMapError(message.reason.replace("{begun}", begun)))
        else:
            self.whole = 0
            self.changed.notify_all()
        return []

    def _named(self, message: Named) -> list[Message]:
        self._key = self._named_as = message.key
        if self.forgets:
            return self.opening()
        self.whole = message.total
        self.sent, self.outstanding, self.closed = message.received, 0, False
        self.again = False
        self.changed.notify_all()
        return [*self.next_elements(), Fetch(self.id, self._key, self._cursor)]

    def next_elements(self) -> list[Message]:
        """The next elements to send; none before the scheduler has named it, or after it refused their data."""
        if not self._key or self.asked or self._unkept or self.cancelled:
            return []
        messages = super().next_elements()
        self._under_way += len(messages)  # the last one may be empty, and is to be accepted too
        return messages

    def acknowledged(self, message: Elements) -> list[Message]:
        """The journal has these elements: what to send now."""
        self.outstanding -= sum(map(len, message.payloads))
        self._under_way -= 1
        self.changed.notify_all()
        return self.next_elements()

    def _fetched(self, message: Fetched) -> list[Message]:
        self._cursor = message.cursor
        self.whole = message.total
        for span in message.spans:
            self.settled += len(span.payloads)
            self.arrived.append(span)
        self.settled += len(message.failures)
        self.arrived.extend(message.failures)
        if message.problem and not self.finished:
            self.broken(NamedMapError(message.problem))
        self.changed.notify_all()
        return [] if self.finished else [Fetch(self.id, self._key, self._cursor)]

    def span(self, span: Span) -> None:
        """Never called: outcomes are fetched."""
        raise AssertionError("a named map's outcomes are fetched")


class Cancelling:
    """Named maps that were cancelled; a scheduler that is started anew is told, as long as the journal may not know."""

    def __init__(self) -> None:
        self._calls: dict[int, NamedCall] = {}

    @property
    def first(self) -> NamedCall | None:
        """One of them; None when the client may leave."""
        return next(iter(self._calls.values()), None)

    def add(self, call: MapCall) -> None:
        """A call is being cancelled."""
        if isinstance(call, NamedCall) and not call.asked:
            self._calls[call.id] = call

    def acknowledged(self, message: Cancel) -> None:
        """The journal has it."""
        for number in message.calls:
            if (call := self._calls.pop(number, None)) is not None:
                call.changed.notify_all()

    def again(self) -> list[Message]:
        """What a new scheduler has to know; a map that it does not have is not begun."""
        messages: list[Message] = []
        for call in self._calls.values():
            messages += [call.open_named(call.number or IF_THERE), Cancel((call.id,))]
        return messages
