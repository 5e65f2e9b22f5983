"""The named maps of a journal as the machine takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ..machine.named_map import Restored
from .journal import Journal
from .journal_restore import StoredMap
from .rows import Rows


def restored_maps(journal: Journal, rows: Rows) -> Iterator[Restored]:
    """All maps that a journal held when it was opened; only short arguments that are still needed stay in memory.

    Args:
        journal: Opened and not started.
        rows: Reads the long ones when they are leased.

    Raises:
        JournalError: They cannot be read.
    """
    for stored in journal.restored():
        yield Restored(
            stored.session,
            stored.accepted,
            [] if stored.cancelled else _payloads(journal, stored, rows),
            stored.complete,
            stored.troubles,
            stored.blamed,
            stored.cancelled,
        )


def _payloads(journal: Journal, stored: StoredMap, rows: Rows) -> list[bytes | None]:
    payloads: list[bytes | None] = [None] * max((stop for _, stop, _, _ in stored.segments), default=0)
    for start, stop, row, _ in stored.segments:
        if not any(first <= start and stop <= last for first, last in stored.settled):
            found = journal.elements(row)
            away = cast("list[bytes | None]", rows.away(row, found))
            payloads[start:stop] = [
                there if there is not None else here for there, here in zip(away, found, strict=True)
            ]
    for first, last in stored.settled:
        payloads[first:last] = [None] * (last - first)
    return payloads
