"""A call: one map, or one future as a map of one element (R15).

An element goes through: queued, leased, settled (its result or failure is recorded). A call keeps the
payload of an element until that is settled, and nothing else for each element. A host can put something in
the place of long payloads that stands for them (`protocol.away`)::

    payloads   [p0 p1 p2 p3 p4 p5 ...]     None once settled
                ─────┬───── ────┬─────
              leased or settled  `frontier`: never leased yet
    again      spans below the frontier that are to be leased once more, as a heap
    claims     spans that a worker brought along when the scheduler was started anew: leased, also
               beyond the frontier
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import cast

from ..errors import ProtocolError
from ..protocol.messages import Failure, Span
from .functions import FunctionState
from .troubles import Troubled


class Call(Troubled):
    """The elements of one call that are not settled, and how often each was tried.

    Attributes:
        queued: It stands in its session's queue.
        complete: All its elements have arrived from the client, as they have if they come with the call.
        settled: How many elements are settled.
        key: The journal's number of a named map, 0 for unnamed work.
        expected: A worker knows of it, and the client has not told of it yet.
        early: Outcomes that came before their elements did, None for a call that cannot have any.
        leases: Ids of the leases that are out; like the other collections made on first use, since most
            futures need none of them.
    """

    __slots__ = (
        "_again", "_claims", "_frontier", "_payloads", "cancelled", "chunk_size", "complete", "early", "expected",
        "function", "id", "key", "leases", "queued", "retries", "settled", "total",
    )  # fmt: skip

    def __init__(
        self,
        call_id: int,
        function: FunctionState,
        total: int = -1,
        chunk_size: int = 0,
        retries: int = 0,
        payloads: list[bytes | None] | None = None,
    ) -> None:
        super().__init__()
        self.id = call_id
        self.function = function
        self.total = total
        self.chunk_size = chunk_size
        self.retries = retries
        self.complete = payloads is not None
        self.cancelled = False
        self.queued = False
        self.settled = 0
        self.leases: set[int] | None = None
        self._payloads: list[bytes | None] = [] if payloads is None else payloads
        self._frontier = 0
        self._again: list[tuple[int, int]] | None = None
        self._claims: dict[int, tuple[int, int]] | None = None
        self.early: list[Span | Failure] | None = None
        self.expected = False
        self.key = 0

    def begin(self, function: FunctionState, total: int, chunk_size: int, retries: int) -> None:
        """The client tells of a call that a worker already knew.

        Raises:
            ProtocolError: It has told of it before.
        """
        if not self.expected:
            raise ProtocolError(f"Call {self.id} exists already.")
        self.expected = False
        self.function, self.total, self.chunk_size, self.retries = function, total, chunk_size, retries

    def restore(
        self,
        payloads: list[bytes | None],
        troubles: dict[tuple[str, int], int],
        blamed: dict[tuple[str, int], tuple[int, ...]],
        *,
        complete: bool,
    ) -> None:
        """Takes what a journal held of it; None for elements that have their outcome."""
        self._payloads = payloads
        self._troubles, self._blamed = troubles or None, blamed or None
        self.settled = payloads.count(None)
        self.complete = complete

    def extend(self, payloads: list[bytes], *, last: bool) -> None:
        """Takes the next elements' arguments."""
        self._payloads.extend(payloads)
        self.complete = self.complete or last

    def fill_in(self, indices: tuple[int, ...], payloads: list[bytes], *, last: bool) -> None:
        """Takes only some elements: those that a client sends again after a reconnect.

        The ones between them count as settled.
        """
        for index, payload in zip(indices, payloads, strict=True):
            missing = index - len(self._payloads)
            self._payloads.extend([None] * missing)
            self.settled += missing
            self._payloads.append(payload)
        self.complete = self.complete or last

    def put_away(self, start: int, payloads: Sequence[bytes | None]) -> None:
        """Takes what stands for some payloads that are somewhere else now, None for those that stay."""
        for index, payload in enumerate(payloads, start):
            if payload is not None and index < len(self._payloads) and self._payloads[index] is not None:
                self._payloads[index] = payload

    def cancel(self) -> None:
        """Nobody wants the rest: what was kept for it is let go, though a lease or a queue may still know it."""
        self.cancelled = True
        self._payloads = []
        self._frontier = 0
        self._again = None

    @property
    def received(self) -> int:
        """How many elements have arrived from the client."""
        return len(self._payloads)

    @property
    def waiting(self) -> int:
        """How many elements could be leased now, those settled meanwhile included."""
        return len(self._payloads) - self._frontier + sum(stop - start for start, stop in self._again or ())

    @property
    def has_waiting(self) -> bool:
        """Whether an element can be leased now."""
        return self._frontier < len(self._payloads) or bool(self._again)

    @property
    def finished(self) -> bool:
        """Every element is settled, and no more will come."""
        return self.complete and self.settled == len(self._payloads)

    def take(self, elements: int, limit_bytes: int) -> tuple[int, list[bytes]] | None:
        """Takes consecutive elements for a lease, those that came back first.

        Args:
            elements: At most this many, at least 1.
            limit_bytes: At most this many bytes of arguments, but always one element.

        Returns:
            The first index and the payloads, or None when nothing waits.
        """
        payloads = self._payloads
        if len(payloads) == 1 and self._claims is None:
            payload = payloads[0] if not self._frontier or self._again else None
            self._frontier, self._again = 1, None
            return None if payload is None else (0, [payload])
        while self._again:
            start, stop = heapq.heappop(self._again)
            while start < stop and self._payloads[start] is None:
                start += 1
            if start >= stop:
                continue
            end = self._reach(start, min(stop, start + elements), limit_bytes)
            if end < stop:
                heapq.heappush(self._again, (end, stop))
            return start, self._slice(start, end)
        start = self._frontier
        received = len(self._payloads)
        while start < received and (self._payloads[start] is None or self._claims):
            claimed = self._claimed_until(start)
            if claimed is None and self._payloads[start] is not None:
                break
            start = claimed or start + 1
        if start >= received:
            self._frontier = received
            return None
        end = self._reach(start, min(received, start + elements, self._next_claim(start)), limit_bytes)
        self._frontier = end
        return start, self._slice(start, end)

    def give_back(self, start: int, stop: int) -> None:
        """Elements that were leased and are to be leased again."""
        stop = min(stop, self._frontier)  # what is beyond it, as a claim can be, comes with it
        if start < stop and not self.cancelled:
            if self._again is None:
                self._again = []
            heapq.heappush(self._again, (start, stop))

    def claim(self, lease: int, start: int, stop: int) -> None:
        """A worker has these elements, since a scheduler before this one leased them to it."""
        if self._claims is None:
            self._claims = {}
        self._claims[lease] = start, stop

    def release(self, lease: int) -> None:
        """A lease that claimed elements is over."""
        if self._claims is not None:
            self._claims.pop(lease, None)
            self._claims = self._claims or None

    def settle(self, start: int, stop: int) -> bool:
        """Records that elements have their results or failures; the first record wins (R6).

        Returns:
            Whether all of them were still open.
        """
        payloads = self._payloads
        if stop - start == 1:
            if payloads[start] is None:
                return False
            payloads[start] = None
            self.settled += 1
            return True
        if None in payloads[start:stop]:
            return False
        payloads[start:stop] = [None] * (stop - start)
        self.settled += stop - start
        return True

    def set_apart(self, index: int) -> None:
        """An element that came back and waits is to be leased alone."""
        if self.put_aside(index):
            self.give_back(index, index + 1)

    def put_aside(self, index: int) -> bool:
        """An element that came back does not wait any more, whoever is to lease it; returns whether it did."""
        for start, stop in self._again or ():
            if start <= index < stop:
                rest = [span for span in self._again or () if span != (start, stop)]
                rest += [part for part in ((start, index), (index + 1, stop)) if part[0] < part[1]]
                heapq.heapify(rest)
                self._again = rest
                return True
        return False

    def is_settled(self, index: int) -> bool:
        """Whether an element has its outcome."""
        return self._payloads[index] is None

    def arguments(self, index: int) -> bytes:
        """An element's packed arguments; empty when they are not here, or not any more."""
        return (self._payloads[index] or b"") if index < len(self._payloads) else b""

    def _claimed_until(self, index: int) -> int | None:
        claims = (self._claims or {}).values()
        return max((stop for start, stop in claims if start <= index < stop), default=None)

    def _next_claim(self, index: int) -> int:
        claims = (self._claims or {}).values()
        return min((start for start, _ in claims if start > index), default=index + (1 << 62))

    def _reach(self, start: int, stop: int, limit_bytes: int) -> int:
        wanted = self._payloads[start:stop]
        if None not in wanted and sum(map(len, wanted)) <= limit_bytes:  # type: ignore[arg-type]
            return stop
        end, total = start, 0
        while end < stop:
            payload = self._payloads[end]
            if payload is None:
                break
            total += len(payload)
            if total > limit_bytes and end > start:
                break
            end += 1
        return end

    def _slice(self, start: int, end: int) -> list[bytes]:
        return cast("list[bytes]", self._payloads[start:end])  # _reach has seen that none is None
