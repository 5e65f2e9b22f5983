"""The one thread that writes the journal: commits what waits, all of it at once, and tidies up in between.

append ──> waiting ──> one transaction, synced ──> on_committed(sequence)
              ^              │ disk full, I/O error: nothing is lost, it is tried again
              └──────────────┘
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..core.settings import JOURNAL_RETRY_SECONDS, JOURNAL_STEP_BYTES, JOURNAL_STEP_ROWS
from . import journal_schema as schema
from .journal_files import JournalFiles, JournalLock


@dataclass(frozen=True)
class Batch:
    """What one call of `append` records: all of it or nothing is in the journal.

    Attributes:
        next_key: The next free key after it.
        rows: With their tables.
        forgotten: Keys of maps that go.
    """

    sequence: int
    next_key: int
    rows: list[tuple[str, schema.Row]]
    forgotten: list[int]

    @property
    def size(self) -> int:
        """Bytes of content."""
        return sum(len(row.content) for _, row in self.rows)


class JournalWriter:
    """Owns the connection that writes.

    Args:
        connection: That connection.
        totals: What the journal holds.
        forgotten: Keys of maps whose rows are still to be deleted.

    Attributes:
        trouble: A sentence while commits fail; empty while they do not.
        waiting_bytes: Content that is not committed yet.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        files: JournalFiles,
        lock: JournalLock,
        totals: schema.Totals,
        forgotten: list[int],
        log: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._files = files
        self._lock = lock
        self._totals = totals
        self._forgotten = dict.fromkeys(forgotten)
        self._log = log
        self._on_committed: Callable[[int], None] = lambda sequence: None
        self._waiting: list[Batch] = []
        self._changed = threading.Condition()
        self._ending = False
        self._delay = 0.0
        self._thread: threading.Thread | None = None
        self._tidied = False
        self._untidy = True
        self.trouble = ""
        self.waiting_bytes = 0

    @property
    def committed(self) -> int:
        """Number of the last batch that is committed."""
        return self._totals.sequence

    def start(self, on_committed: Callable[[int], None]) -> None:
        """Starts the thread."""
        self._on_committed = on_committed
        self._thread = threading.Thread(target=self._run, name="kubefuture-journal", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hands over what is to be committed."""
        with self._changed:
            self._waiting.append(batch)
            self.waiting_bytes += batch.size
            self._changed.notify()

    def end(self) -> None:
        """Commits what waits, once more if that fails, and ends the thread and the connection."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        else:
            self._commit_waiting()
        try:
            schema.pragma(self._connection, "wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self._log(f"the journal stays in two files, which does no harm: {error}")
        self._connection.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self.trouble:
                    self._changed.wait_for(lambda: self._ending, self._delay)
                elif not self._untidy:
                    self._changed.wait_for(lambda: self._ending or self._waiting)
                ending = self._ending
            failed = not self._commit_waiting()
            if ending and (failed or not self._waiting):
                return
            if not failed and self._untidy and not ending:
                self._untidy = self._attempt(self._tidy) is not False

    def _commit_waiting(self) -> bool:
        """Commits everything that waits in one transaction; returns whether nothing is left of it."""
        with self._changed:
            batches = self._waiting[:]
        if not batches:
            return True
        if self._attempt(lambda: self._commit(batches)) is None:
            return False
        with self._changed:
            del self._waiting[: len(batches)]
            self.waiting_bytes -= sum(batch.size for batch in batches)
        for batch in batches:
            self._forgotten.update(dict.fromkeys(batch.forgotten))
        self._untidy = True
        self._lock.mark(self.committed)
        self._on_committed(self.committed)
        return True

    def _attempt(self, step: Callable[[], bool]) -> bool | None:
        """Does one step, or counts it as trouble; returns None then, else what the step returned."""
        try:
            if self.trouble:
                # What was committed earlier may go to the database now, so that the -wal file can be used again.
                schema.pragma(self._connection, "wal_checkpoint(PASSIVE)")
                self._totals = schema.read_totals(self._connection)
            result = step()
        except (sqlite3.Error, schema.DamagedRow, OSError, MemoryError) as error:
            if not self.trouble:
                self.trouble = (
                    f"The journal of named work in {self._files.folder} cannot be written: {error}. Named work waits "
                    "until it can; nothing is lost. If its file system is full, make room there."
                )
                self._log(self.trouble)
            self._delay = min(JOURNAL_RETRY_SECONDS, 2 * self._delay or 0.05)
            return None
        if self.trouble:
            self.trouble, self._delay = "", 0.0
            self._log("the journal of named work can be written again")
        return result

    def _commit(self, batches: list[Batch]) -> bool:
        # An attempt that failed may be in the journal all the same, when it was the last step that went wrong.
        batches = [batch for batch in batches if batch.sequence > self._totals.sequence]
        if not batches:
            return True
        rows = [row for batch in batches for row in batch.rows]
        digest = self._totals.digest
        for _, row in rows:
            digest ^= row.crc
        totals = schema.Totals(
            batches[-1].sequence, batches[-1].next_key, self._totals.rows + len(rows), digest
        )
        with schema.transaction(self._connection):
            for table in schema.MAP_TABLES:
                schema.insert(self._connection, table, [row for name, row in rows if name == table])
            schema.write_totals(self._connection, totals)
        self._totals = totals
        return True

    def _tidy(self) -> bool:
        """One bounded step of deleting what is forgotten and giving back its space; returns whether more is left."""
        if self._forgotten:
            self._delete_some(next(iter(self._forgotten)))
            return True
        if schema.pragma(self._connection, "freelist_count"):
            size = schema.pragma(self._connection, "page_size")
            pages = JOURNAL_STEP_BYTES // size
            # `execute` would stop after one page: it takes a statement without columns for one without rows.
            self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")
            self._tidied = True
            return True
        # SQLite would shorten the -wal file with the commit after the next one, for which there may be no room.
        if self._tidied or (self._files.wal_bytes() > schema.WAL_BYTES and not self._waiting):
            schema.pragma(self._connection, "wal_checkpoint(TRUNCATE)")  # only now the file gets shorter
            self._tidied = False
        return False

    def _delete_some(self, key: int) -> None:
        """Deletes rows of a map; the one that says that it is forgotten is the last of all."""
        low, high = schema.key_range(key)
        for table in reversed(schema.MAP_TABLES):
            found = self._connection.execute(
                f"SELECT id, crc, length(content) FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (low, high, JOURNAL_STEP_ROWS),
            ).fetchall()
            if found:
                break
        else:
            del self._forgotten[key]
            return
        last, count, digest, size = low, 0, self._totals.digest, 0
        for row_id, crc, length in found:
            if size >= JOURNAL_STEP_BYTES:
                break
            last, count, digest, size = row_id, count + 1, digest ^ crc, size + length
        before = self._totals
        totals = schema.Totals(before.sequence, before.next_key, before.rows - count, digest)
        with schema.transaction(self._connection):
            self._connection.execute(f"DELETE FROM {table} WHERE id >= ? AND id <= ?", (low, last))
            schema.write_totals(self._connection, totals)
        self._totals = totals
