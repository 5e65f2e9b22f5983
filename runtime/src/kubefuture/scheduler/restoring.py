"""The named maps of a journal as the machine takes them."""

from __future__ import annotations

from collections.abc import Iterator

from ..machine.named_map import Restored
from .journal import Journal
from .journal_restore import StoredMap


def restored_maps(journal: Journal) -> Iterator[Restored]:
    """All maps that a journal held when it was opened; only the arguments that are still needed are read.

    Raises:
        JournalError: They cannot be read.
    """
    for stored in journal.restored():
        yield Restored(
            stored.session,
            stored.accepted,
            [] if stored.cancelled else _payloads(journal, stored),
            stored.complete,
            stored.troubles,
            stored.cancelled,
        )


def _payloads(journal: Journal, stored: StoredMap) -> list[bytes | None]:
    payloads: list[bytes | None] = [None] * max((stop for _, stop, _, _ in stored.segments), default=0)
    for start, stop, row, _ in stored.segments:
        if not any(first <= start and stop <= last for first, last in stored.settled):
            payloads[start:stop] = journal.elements(row)
    for first, last in stored.settled:
        payloads[first:last] = [None] * (last - first)
    return payloads
