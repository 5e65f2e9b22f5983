"""Which element ended its Dask worker: found by trying each alone (R19). Pure state.

Dask blames all tasks that a worker had when it ended, also those that only waited there. So nobody is blamed who
was with Dask together with others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from ..worker.in_dask import Chunk


class Suspects:
    """The elements of which one may have ended its worker, and what was with Dask alone."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Chunk]] = deque()
        self._accompanied: set[int] = set()
        self._tried = 0

    def add(self, call: int, chunk: Chunk) -> None:
        """The elements of a chunk are each to be tried alone."""
        for index, payload in enumerate(chunk.payloads, chunk.start):
            self._waiting.append((call, Chunk(index, [payload], chunk.retries)))

    def of(self, call: int) -> bool:
        """Whether elements of this call wait to be tried."""
        return any(each == call for each, _ in self._waiting)

    def hold_up(self, sent: Collection[int]) -> bool:
        """Whether nothing else may be given to Dask, which has these chunks."""
        return bool(self._waiting) or self._tried in sent

    def next(self, sent: Collection[int]) -> tuple[int, Chunk] | None:
        """The call and element to try now, if Dask has nothing else."""
        return self._waiting.popleft() if self._waiting and not sent else None

    def sent(self, number: int, others: Collection[int], tried: bool) -> None:
        """A chunk was given to Dask, which has these others; as one to be tried alone, or not."""
        if others:
            self._accompanied.update(others, (number,))
        if tried:
            self._tried = number

    def was_alone(self, number: int) -> bool:
        """Whether Dask has had nothing else beside a chunk that was just given up."""
        return number not in self._accompanied

    def landed(self, number: int) -> None:
        """A chunk is not with Dask any more."""
        self._accompanied.discard(number)

    def cancel(self, call: int) -> None:
        """A call was cancelled."""
        self._waiting = deque(each for each in self._waiting if each[0] != call)
