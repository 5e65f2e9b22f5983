"""Opens a journal's folder: lock, database, verification, and the connections.

Nothing is written before everything was verified, so that a damaged journal stays as it was found.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from ..core.settings import JOURNAL_SLOW_SECONDS
from ..errors import JournalError
from . import journal_schema as schema
from .journal_files import JournalFiles, JournalLock
from .journal_restore import Restored, restore


@dataclass(frozen=True)
class Opened:
    """What an open journal consists of."""

    lock: JournalLock
    reader: sqlite3.Connection
    writer: sqlite3.Connection
    restored: Restored


def open_files(files: JournalFiles, log: Callable[[str], None]) -> Opened:
    """Opens a journal, or makes one where none was.

    Raises:
        JournalError: It is damaged, cannot be written, is open elsewhere, or its file system is full.
    """
    began = time.monotonic()
    with ExitStack() as undo:
        try:
            files.prepare()
            lock = JournalLock(files)
            undo.callback(lock.release)
            _find_or_create(files, lock)
            reader = schema.connect(files.database, read_only=True)
            undo.callback(reader.close)
            restored = restore(reader, files)
            _check_mark(files, lock, restored.totals, log)
            writer = schema.connect(files.database, read_only=False)
            undo.callback(writer.close)
            _make_writable(writer, files, restored.totals)
            schema.read_totals(
                reader
            )  # which opens the -wal file now, while there is a file descriptor for it
            lock.sign(restored.totals.sequence)
            files.sync_folder()
        except (OSError, sqlite3.Error, UnicodeError) as error:  # SQLite may quote a damaged name
            raise files.unusable(error) from None
        undo.pop_all()
    seconds = time.monotonic() - began
    if seconds > JOURNAL_SLOW_SECONDS:
        log(f"reading the journal in {files.folder} took {seconds:.1f} s: {restored.totals.rows} rows")
    return Opened(lock, reader, writer, restored)


def _find_or_create(files: JournalFiles, lock: JournalLock) -> None:
    """Makes the database where there never was one; one that is missing is no reason for a new one."""
    if files.database.exists():
        return
    if lock.committed > 0 or (lock.committed < 0 and not lock.is_new):
        raise files.damaged(f"it is missing, but {files.lock.name} says that there was one")
    if files.wal.exists() and files.wal.stat().st_size:
        raise files.damaged(f"it is missing, but {files.wal.name} is there")
    os.close(os.open(files.unfinished, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_WRONLY, 0o600))
    connection = schema.connect(files.unfinished, read_only=False)
    try:
        schema.create(connection)
    finally:
        connection.close()
    files.unfinished.rename(files.database)
    files.sync_folder()


def _check_mark(
    files: JournalFiles, lock: JournalLock, totals: schema.Totals, log: Callable[[str], None]
) -> None:
    if lock.committed > totals.sequence:
        raise files.damaged(
            f"it ends with commit {totals.sequence}, but {files.lock.name} says that {lock.committed} were made, "
            "so its last ones are lost"
        )
    if lock.committed < 0 and not lock.is_new:
        log(f"{files.lock} was not readable and is written anew; the journal itself is sound")


def _make_writable(writer: sqlite3.Connection, files: JournalFiles, totals: schema.Totals) -> None:
    mode = schema.set_for_writing(writer)
    if mode != "wal":
        raise JournalError(
            f"The journal of named work cannot be in {files.folder}: SQLite cannot use its WAL on the file system "
            "there, as on some network file systems. Put it on a local disk."
        )
    with schema.transaction(writer):  # a disk that is full says so now
        schema.write_totals(writer, totals)
