"""The real journal without its thread: it commits when it is told to, and dies without a word."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubefuture.scheduler import journal
from kubefuture.scheduler.journal import Journal
from kubefuture.scheduler.journal_writer import JournalWriter

MEMORY = "/dev/shm"
"""A file system in memory, where there is one."""


class SteppedWriter(JournalWriter):
    """A writer that does one thing at a time."""

    def start(self, on_committed: Callable[[int], None]) -> None:
        self._on_committed = on_committed

    def commit(self) -> bool:
        """Commits what waits; returns whether anything did."""
        waits = bool(self._waiting)
        assert self._commit_waiting()
        return waits

    def tidy(self) -> None:
        """Deletes what is forgotten."""
        while self._tidy():
            pass


class Shelf:
    """Where one journal is kept, for one scheduler after another; on a file system in memory, where there is one."""

    present: Shelf | None = None

    def __init__(self) -> None:
        if Shelf.present is not None:
            Shelf.present.close()
        Shelf.present = self
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self._journal: Journal | None = None

    def open(self) -> Journal:
        """What the journal of the scheduler before had committed."""
        assert self._journal is None
        limits = {"free_no_new_work": 0, "free_no_leases": 0}
        self._journal = Journal.open(Path(self._folder.name) / "journal", lambda line: None, **limits)
        return self._journal

    def die(self) -> None:
        """The scheduler dies: what is not committed is lost."""
        if self._journal is not None:
            self._journal._reader.close()
            self._journal._writer._connection.close()
            self._journal._lock.release()
            self._journal = None

    def close(self) -> None:
        """Nobody needs it any more."""
        self.die()
        self._folder.cleanup()
        Shelf.present = None


def use_stepped_writer(monkeypatch: Any) -> None:
    """Makes journals commit only when they are told to."""
    monkeypatch.setattr(journal, "JournalWriter", SteppedWriter)


def rows(opened: Journal) -> dict[str, int]:
    """How many rows each table has."""
    names = ("maps", "elements", "results")
    return {name: opened._reader.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
