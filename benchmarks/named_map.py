"""How many elements a second does a named map have, each result on the disk before it is told?

200,000 elements with results of 100 bytes, through the daemon. When half of them are here the scheduler is killed, and
the keeper starts it again; all results are collected and checked. The rate leaves out the time in which nothing
arrived because of that, which is the second measurement. Beside it the same map without a name, and what SQLite alone
needs for the rows that the journal has, when each is committed by itself.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import statistics
import time
from functools import partial
from pathlib import Path

import kubefuture as kf
from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection
from kubefuture.scheduler import journal_schema as schema

from .contenders import Contender, Pool, cluster
from .kept import kept
from .measurement import Row, ratios

RATE_BAR, RESTART_BAR = 50_000.0, 3.0
RESULT_BYTES = 100
_SHORTEST = 0.1


def record(index: int) -> bytes:
    """The element: some text that tells which one it is."""
    return b"%020d" % index * (RESULT_BYTES // 20)


class Arrivals:
    """Kills the scheduler when half of the results are here, and knows how long none came then.

    Args:
        tasks: How many there will be.
        pid: The scheduler's process.
    """

    def __init__(self, tasks: int, pid: int) -> None:
        self._half = tasks // 2
        self._pid = pid
        self._killed = False
        self._last = time.perf_counter()
        self.longest = 0.0

    def __call__(self, done: int, _total: object) -> None:
        """Some more are here."""
        now = time.perf_counter()
        if self._killed:
            self.longest = max(self.longest, now - self._last)
        elif done >= self._half:
            os.kill(self._pid, signal.SIGKILL)
            self._killed = True
        self._last = now


def named(pool: Pool, tasks: int, connection: str, restarts: str) -> float:
    """Elements a second of the named map; notes the seconds without results in a file."""
    pool.map(record, range(1000))
    arrivals = Arrivals(tasks, fetch_status(Connection.load(Path(connection))).scheduler_pid)
    started = time.perf_counter()
    found = kf.options(name="bench", progress=arrivals).map(record, range(tasks))
    seconds = time.perf_counter() - started
    assert found == [record(index) for index in range(tasks)]
    if arrivals.longest < _SHORTEST:
        raise ValueError("all results were here when the scheduler was killed, so it was not measured")
    with open(restarts, "a", encoding="ascii") as file:
        file.write(f"{arrivals.longest}\n")
    return tasks / (seconds - arrivals.longest)


def unnamed(pool: Pool, tasks: int) -> float:
    """Elements a second of the same map without a name."""
    pool.map(record, range(1000))
    started = time.perf_counter()
    found = pool.map(record, range(tasks))
    seconds = time.perf_counter() - started
    assert found == [record(index) for index in range(tasks)]
    return tasks / seconds


def sqlite_alone(journal: Path, tasks: int) -> float:
    """Elements a second, where all that is done is to write the journal's rows once more, beside it."""
    with sqlite3.connect(f"{(journal / 'journal.sqlite').as_uri()}?mode=ro", uri=True) as source:
        rows = [
            (table, row)
            for table in ("elements", "results")
            for row in source.execute(f"SELECT id, crc, content FROM {table} ORDER BY id")
        ]
    path = journal.with_name("alone.sqlite")
    path.touch()
    connection = schema.connect(path, read_only=False)
    try:
        schema.create(connection)
        schema.set_for_writing(connection)
        started = time.perf_counter()
        for table, row in rows:
            with schema.transaction(connection):
                connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", row)
        return tasks / (time.perf_counter() - started)
    finally:
        connection.close()
        for file in path.parent.glob("alone.sqlite*"):
            file.unlink()


def file_system(folder: Path) -> str:
    """What a folder's file system is called, where the system tells."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return "unknown"
    places = {place: kind for _, place, kind, *_ in map(str.split, lines)}
    return next(places[str(place)] for place in (folder, *folder.parents) if str(place) in places)


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    tasks, rounds = (100_000, 1) if quick else (200_000, 5)
    ours, without, alone, restarts, system = [], [], [], [], ""
    for _ in range(rounds):  # each with a keeper of its own, which has not had to wait before
        with kept(journaled=True) as place:
            system = file_system(place.journal)
            told = place.journal.with_name("restarts")
            turn = partial(named, connection=place.connection, restarts=str(told))
            for measured, what in ((ours, turn), (without, unnamed)):
                contender = Contender(cluster, what, place.connection, warm_up=0)
                try:
                    measured.append(contender.take_turn(tasks))
                finally:
                    contender.close()
            restarts.append(float(told.read_text()))
            alone.append(sqlite_alone(place.journal, tasks))
    what = f"named map, {tasks:,} results of {RESULT_BYTES} B"
    rate = _text(ours)
    return [
        Row(
            f"{what}, elements a second", rate, "", ours, RATE_BAR, at_least=True, unit=" /s",
            note=f"the journal is on {system}",
        ),
        Row(
            f"{what}, the scheduler is killed midway", f"{statistics.median(restarts):.2f} s", "", restarts,
            RESTART_BAR, unit=" s",
        ),
        Row(what, rate, f"without a name {_text(without)}", ratios(ours, without)),
        Row(what, rate, f"SQLite alone, a commit a row {_text(alone)}", ratios(ours, alone)),
    ]  # fmt: skip


def _text(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} /s"
