"""What one client has not acknowledged: a bounded part of it is in memory, the rest on disk (R10, R16).

A client may be stopped, stalled, or away for a day, and its work goes on. Which of its results it has is known only
when it acknowledges them, so all others are kept for it, in its conversation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from ..core.settings import MEMORY_RESULT_BYTES, MEMORY_RESULTS_BYTES
from ..protocol.messages import Failure, Fetched, Message, Results, Span

_MESSAGE, _SPAN, _PAYLOAD = 200, 100, 40
"""What each of them needs in memory beside its bytes, roughly."""


class Storage(Protocol):
    """Where messages are put away.

    Attributes:
        result_bytes: What is kept in memory for all clients.
    """

    result_bytes: int

    def message(self, message: Message) -> Message:
        """Puts it away, or returns it."""


class Unread:
    """The bytes in memory of each message that was sent to a client, until it is acknowledged.

    Args:
        storage: Takes what is too much.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._weights: deque[int] = deque()
        self._bytes = 0

    @property
    def is_much(self) -> bool:
        """Whether the client has much left to read, so that more goes to the disk, or soon will."""
        return (
            self._bytes > MEMORY_RESULT_BYTES // 2 and self._storage.result_bytes > MEMORY_RESULTS_BYTES // 2
        )

    def sent(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Messages are sent: returns them as they are to be kept."""
        kept: list[Message] = []
        for message in messages:
            weight = _weight(message)
            if (
                self._bytes + weight > MEMORY_RESULT_BYTES
                and self._storage.result_bytes + weight > MEMORY_RESULTS_BYTES
            ):
                away = self._storage.message(message)
                if away is not message:
                    message, weight = away, _MESSAGE
            kept.append(message)
            self._weights.append(weight)
            self._count(weight)
        return kept

    def left(self, messages: int) -> None:
        """So many of them are not acknowledged."""
        while len(self._weights) > messages:
            self._count(-self._weights.popleft())

    def _count(self, weight: int) -> None:
        self._bytes += weight
        self._storage.result_bytes += weight


def _weight(message: Message) -> int:
    if isinstance(message, Results):
        return _MESSAGE + sum(map(_weight_of_span, message.spans))
    if isinstance(message, Failure):
        return _MESSAGE + len(message.payload)
    if isinstance(message, Fetched):
        return _MESSAGE + sum(map(_weight_of_span, message.spans)) + sum(map(_weight, message.failures))
    return _MESSAGE


def _weight_of_span(span: Span) -> int:
    payloads = span.payloads
    return _SPAN + len(payloads) * _PAYLOAD + sum(map(len, payloads))
