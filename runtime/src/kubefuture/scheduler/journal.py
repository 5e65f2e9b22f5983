"""The journal of named work: what is committed here outlives the scheduler, and its client (R5, R6, R8, R9).

Records go to a thread that commits all that wait at once (journal_writer); reading has a connection of its own. At
start everything is verified and read (journal_open, journal_restore). Tables and rows are journal_schema's, files
journal_files'::

    append ──> writer thread ──> SQLite ──> on_committed(sequence)
    open ──> restored           elements, results <── committed rows
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from ..core.settings import (
    FREE_NO_LEASES,
    FREE_NO_NEW_WORK,
    JOURNAL_BYTES,
    JOURNAL_NO_LEASES,
    JOURNAL_NO_NEW_WORK,
)
from ..errors import JournalError
from ..machine.records import (
    ElementsAccepted,
    FailureRecorded,
    MapAccepted,
    MapForgotten,
    Record,
    ResultsRecorded,
    SessionOpened,
)
from ..protocol.messages import Failure, Span
from . import journal_schema as schema
from .journal_files import JournalFiles
from .journal_open import Opened, open_files
from .journal_restore import StoredMap
from .journal_writer import Batch, JournalWriter

_ROW_OVERHEAD = 1 << 10

Accepted: TypeAlias = tuple[int, ElementsAccepted, bytes]  # with their row's number and content


class Room(Enum):
    """What there is room for (R16)."""

    FREE = "free"
    NO_NEW_WORK = "no new work"
    NO_LEASES = "no leases"


class Journal:
    """One journal, open in this process alone and made by `Journal.open`.

    One thread appends; everything else may be called from any.
    """

    def __init__(
        self, files: JournalFiles, opened: Opened, log: Callable[[str], None], limits: tuple[int, int, int]
    ) -> None:
        restored = opened.restored
        self._files = files
        self._lock = opened.lock
        self._limit, self._free_no_new_work, self._free_no_leases = limits
        self._reader = opened.reader
        self._reading = threading.Lock()
        self._row_limit = opened.reader.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) - _ROW_OVERHEAD
        self._restored = restored.maps
        self._sequence = restored.totals.sequence
        self._next_key = restored.totals.next_key
        self._sessions = {stored.session.identity: stored.session for stored in restored.maps}
        self._calls = {stored.accepted.key: stored.accepted.call for stored in restored.maps}
        self._last_rows = {key: restored.last_rows[key] for key in self._calls}
        self._writer = JournalWriter(
            opened.writer, files, opened.lock, restored.totals, restored.forgotten, log
        )
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        log: Callable[[str], None],
        limit_bytes: int = JOURNAL_BYTES,
        *,
        free_no_new_work: int = FREE_NO_NEW_WORK,
        free_no_leases: int = FREE_NO_LEASES,
    ) -> Journal:
        """Opens a folder's journal, or makes one where none was.

        Args:
            folder: Made if it is not there; it is the journal's alone.
            log: Takes one line for the log; called from any thread.
            limit_bytes: What the journal's files may take.
            free_no_new_work: Below this many free bytes there is no room for new work.
            free_no_leases: Below this many there is none for leases.

        Raises:
            JournalError: It is damaged, cannot be written, is open elsewhere, or its file system is full.
        """
        files = JournalFiles(folder)
        return cls(files, open_files(files, log), log, (limit_bytes, free_no_new_work, free_no_leases))

    @property
    def next_key(self) -> int:
        """The next map's key is this one or a higher one."""
        return self._next_key

    @property
    def committed(self) -> int:
        """Number of the last `append` that is committed, also by an earlier process."""
        return self._writer.committed

    @property
    def waiting_bytes(self) -> int:
        """Memory of what was appended and is not committed."""
        return self._writer.waiting_bytes

    @property
    def trouble(self) -> str:
        """A sentence while commits fail, else empty."""
        return self._writer.trouble

    def restored(self) -> list[StoredMap]:
        """The maps that were in the journal when it was opened; kept until `start`."""
        return self._restored

    def start(self, on_committed: Callable[[int], None]) -> None:
        """Begins to commit.

        Args:
            on_committed: Called in the writer's thread with the highest number that is committed. Must not raise.
        """
        self._restored = []
        self._writer.start(on_committed)

    def append(self, records: Sequence[Record], elements: list[Accepted] | None = None) -> int:
        """Records something; all of it is committed at once, after what was appended before.

        Args:
            records: In their order. A session comes before its maps, and a map before what is recorded of it.
            elements: Takes those that are among them.

        Returns:
            A number that rises; `on_committed` says when it is reached.

        Raises:
            JournalError: A record is too large for one row, or belongs to no map. Nothing of `records` is appended.
        """
        sessions: dict[str, SessionOpened] = {}
        calls: dict[int, int] = {}
        last_rows: dict[int, int] = {}
        rows: list[tuple[str, schema.Row]] = []
        forgotten: list[int] = []
        accepted: list[Accepted] = []
        next_key = self._next_key

        def add(record: Record, key: int) -> None:
            row_id = last_rows.get(key) or self._last_rows.get(key) or schema.key_range(key)[0]
            last_rows[key] = row_id = row_id + 1
            table = schema.TABLE_OF[type(record)]
            content = self._encode(record)
            rows.append((table, schema.Row(row_id, schema.checksum(table, row_id, content), content)))
            if isinstance(record, ElementsAccepted):
                accepted.append((row_id, record, content))

        for record in records:
            if isinstance(record, SessionOpened):
                sessions[record.identity] = record
                continue
            key = record.key
            if isinstance(record, MapAccepted):
                session = sessions.get(record.session) or self._sessions.get(record.session)
                if session is None or key < next_key:
                    raise JournalError(
                        f"The journal knows no session {record.session!r}."
                        if session is None
                        else f"The journal's key {key} was used before."
                    )
                calls[key] = record.call
                next_key = key + 1
                add(session, key)
            elif (key not in self._calls and key not in calls) or key in forgotten:
                raise JournalError(f"The journal has no map {key}.")
            elif isinstance(record, MapForgotten):
                forgotten.append(key)
            add(record, key)
        self._sessions.update(sessions)
        self._calls.update(calls)
        self._last_rows.update(last_rows)
        for key in forgotten:
            del self._calls[key], self._last_rows[key]
        self._next_key, self._sequence = next_key, self._sequence + 1
        self._writer.put(Batch(self._sequence, next_key, rows, forgotten))
        if elements is not None:
            elements += accepted
        return self._sequence

    def holds(self, row: int) -> bool:
        """Whether the map of a row is not forgotten."""
        return row >> 32 in self._calls

    def elements(self, row: int) -> list[bytes]:
        """The payloads of one segment of a restored map.

        Raises:
            JournalError: They cannot be read.
        """
        found = self._read("SELECT id, crc, content FROM elements WHERE id = ?", (row,), "elements", 0)
        if not found:
            raise self._files.damaged(f"its row {row} is gone")
        return schema.decode_elements(found[0][1]).payloads

    def results(self, key: int, after: int, limit_bytes: int) -> tuple[list[Span | Failure], int]:
        """Committed results and failures of a map, in the order of their recording.

        Args:
            key: The map.
            after: 0, or the cursor that the call before returned.
            limit_bytes: At most this much, but at least one row if there is any.

        Returns:
            Them, and the cursor for those that follow; the same cursor when there are none.

        Raises:
            JournalError: They cannot be read.
        """
        call = self._calls.get(key)
        if call is None:
            return [], after
        low, high = schema.key_range(key)
        found = self._read(
            "SELECT id, crc, content FROM results WHERE id > ? AND id < ? ORDER BY id",
            (low + after, high),
            "results",
            limit_bytes,
        )
        messages: list[Span | Failure] = []
        for _, content in found:
            record = schema.decode_results(content)
            if isinstance(record, FailureRecorded):
                messages.append(Failure(call, record.index, record.kind, record.payload))
            else:
                messages.append(Span(call, record.start, record.payloads))
        return messages, found[-1][0] - low if found else after

    def room(self, others: int = 0) -> Room:
        """What there is room for, by the limit and by what the file system has left.

        Args:
            others: Bytes that files beside the journal's take in its folder.
        """
        try:
            used, free = self._files.used_bytes() + self.waiting_bytes + others, self._files.free_bytes()
        except OSError:
            return Room.NO_LEASES
        if used >= JOURNAL_NO_LEASES * self._limit or free < self._free_no_leases:
            return Room.NO_LEASES
        if used >= JOURNAL_NO_NEW_WORK * self._limit or free < self._free_no_new_work:
            return Room.NO_NEW_WORK
        return Room.FREE

    def close(self) -> None:
        """Commits what waits and lets others have the journal.

        Raises:
            JournalError: What waited cannot be committed. The journal is closed all the same.
        """
        if self._closed:
            return
        self._closed = True
        with self._reading:
            self._reader.close()
        self._writer.end()
        self._lock.release()
        if self.waiting_bytes:
            raise JournalError(self.trouble or "The journal ended before all was committed.")

    def _encode(self, record: Record) -> bytes:
        """A record's content, if a row can hold it; payloads are looked at first, since a copy takes memory."""
        size = 0
        if isinstance(record, (ElementsAccepted, ResultsRecorded)):
            size = sum(map(len, record.payloads))
        content = schema.encode(record) if size <= self._row_limit else b""
        size = max(size, len(content))
        if size > self._row_limit:
            raise JournalError(
                f"A {type(record).__name__} of {size} bytes is too large for the journal, whose rows hold "
                f"{self._row_limit} bytes. Send less at once, or give the data to the elements in another way."
            )
        return content

    def _read(
        self, sql: str, values: tuple[int, ...], table: str, limit_bytes: int
    ) -> list[tuple[int, bytes]]:
        """Verified rows, the first one and then as many as fit."""
        found: list[tuple[int, bytes]] = []
        size = 0
        try:
            with self._reading:
                cursor = self._reader.execute(sql, values)
                try:
                    for row_id, crc, value in cursor:
                        content = schema.checked(table, row_id, crc, value)
                        size += len(content)
                        if found and size > limit_bytes:
                            break
                        found.append((row_id, content))
                finally:
                    cursor.close()
        except schema.DamagedRow as error:
            raise self._files.damaged(str(error)) from None
        except sqlite3.Error as error:
            raise self._files.unusable(error) from None
        return found
