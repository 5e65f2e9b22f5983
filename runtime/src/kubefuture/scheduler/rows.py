"""Arguments of named maps, read from the journal when they are leased (R16).

    accepted ──> Journaled(row, position) in the machine ── a lease goes out ──> bytes

What is not committed yet is read from what waits for that, since this is in memory anyway.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from ..core.settings import JOURNAL_CACHE_BYTES, MEMORY_PAYLOAD_BYTES
from ..errors import JournalError
from ..protocol.away import Away
from .journal import Journal
from .journal_schema import decode_elements


class Rows:
    """Reads payloads by row and position, all that it reads verified. A lease is of few rows, one after the other.

    Args:
        journal: Where they are.
        failed: Told, as a sentence, that something cannot be read.
    """

    def __init__(self, journal: Journal, failed: Callable[[str], None]) -> None:
        self._journal = journal
        self._failed = failed
        self._recent: OrderedDict[int, list[bytes]] = OrderedDict()
        self._bytes = 0
        self._uncommitted: dict[int, bytes] = {}
        self._order: deque[tuple[int, int]] = deque()

    def accepted(self, sequence: int, row: int, content: bytes) -> None:
        """A row is to be committed with this number."""
        self._uncommitted[row] = content
        self._order.append((sequence, row))

    def committed(self, sequence: int) -> None:
        """What has this number or a lower one is in the journal."""
        while self._order and self._order[0][0] <= sequence:
            del self._uncommitted[self._order.popleft()[1]]

    def away(self, row: int, payloads: Sequence[bytes]) -> list[Journaled | None]:
        """What stands for the payloads of a row, None for those that are short."""
        return [
            Journaled(self, row, position, len(payload)) if len(payload) > MEMORY_PAYLOAD_BYTES else None
            for position, payload in enumerate(payloads)
        ]

    def read(self, row: int, position: int) -> bytes:
        """One payload; nothing when its map was forgotten meanwhile, so that nobody wants what becomes of it.

        Raises:
            JournalError: It cannot be read; the scheduler has been told so.
        """
        if not self._journal.holds(row):
            return b""
        payloads = self._recent.pop(row, None)
        if payloads is None:
            try:
                content = self._uncommitted.get(row)
                payloads = (
                    self._journal.elements(row) if content is None else decode_elements(content).payloads
                )
            except JournalError as error:
                self._failed(str(error))
                raise
            self._bytes += sum(map(len, payloads))
        self._recent[row] = payloads
        while self._bytes > JOURNAL_CACHE_BYTES:
            self._bytes -= sum(map(len, self._recent.popitem(last=False)[1]))
        return payloads[position]


class Journaled(Away):
    """A payload in the journal."""

    __slots__ = ("_length", "_position", "_row", "_rows")

    def __init__(self, rows: Rows, row: int, position: int, length: int) -> None:
        self._rows = rows
        self._row = row
        self._position = position
        self._length = length

    def __len__(self) -> int:
        return self._length

    def load(self) -> bytes:
        """The payload."""
        return self._rows.read(self._row, self._position)
