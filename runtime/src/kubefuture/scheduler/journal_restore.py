"""Reads a whole journal at start: that it is sound, and what it holds.

Everything is looked at once, row by row, so that memory does not grow with the payloads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from ..errors import JournalError
from ..machine.records import (
    FunctionReplaced,
    MapAccepted,
    MapCancelled,
    MapForgotten,
    ResultsRecorded,
    SessionOpened,
    TroubleCounted,
)
from . import journal_schema as schema
from .journal_files import JournalFiles


@dataclass(frozen=True)
class StoredMap:
    """A named map as the journal holds it.

    Attributes:
        session: Who began it.
        accepted: What it is.
        segments: Its elements, as they were accepted: first index, the one after the last, the row that
            `Journal.elements` takes, and the bytes of their payloads.
        complete: All its elements are there.
        settled: Elements that have their result or failure: merged half-open ranges, rising.
        troubles: How often an element had what: (`retry`, `strike` or `loss`, index) to the count.
        blamed: And in which leases, as far as that tells something.
        cancelled: It was cancelled.
    """

    session: SessionOpened
    accepted: MapAccepted
    segments: list[tuple[int, int, int, int]]
    complete: bool
    settled: list[tuple[int, int]]
    troubles: dict[tuple[str, int], int]
    blamed: dict[tuple[str, int], tuple[int, ...]]
    cancelled: bool


@dataclass
class Restored:
    """What a journal holds.

    Attributes:
        maps: Those that are not forgotten, in the order of their acceptance.
        forgotten: Keys of maps whose rows are not all deleted yet.
        last_rows: The highest id of each map's rows.
    """

    totals: schema.Totals
    maps: list[StoredMap] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    last_rows: dict[int, int] = field(default_factory=dict)


def restore(connection: sqlite3.Connection, files: JournalFiles) -> Restored:
    """Verifies a journal and returns what it holds.

    Raises:
        JournalError: It is damaged, or not of this format.
        sqlite3.Error: SQLite cannot read it.
        OSError: Nobody can.
    """
    with open(files.database, "rb") as file:
        if not set(file.read(20)[18:]) <= {1, 2}:  # SQLite would only say that it cannot be written
            raise files.damaged("its header is not one that SQLite writes today")
    application, version = (
        schema.pragma(connection, "application_id"),
        schema.pragma(connection, "user_version"),
    )
    if application != schema.APPLICATION_ID:
        raise files.damaged(f"it is no journal of kubefuture (application id {application})")
    if version != schema.FORMAT:
        raise JournalError(
            f"The journal of named work, {files.database}, has format {version}, and this version of kubefuture "
            f"knows format {schema.FORMAT}. Start the version again that wrote it. Or copy the folder "
            f"{files.folder} away and remove it, which loses the named maps and their results and nothing else."
        )
    if not schema.schema_fits(connection):
        raise files.damaged("its tables are not those of a journal")
    found = schema.pragma(connection, "quick_check(1)")
    if found != "ok":
        raise files.damaged(f"SQLite says: {' '.join(str(found).split())}")
    try:
        return _Reader(connection).read()
    except schema.DamagedRow as error:
        raise files.damaged(str(error)) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise files.damaged(f"a row cannot be decoded: {error}") from None


class _Reader:
    """One pass over all tables."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._result = Restored(schema.read_totals(connection))
        self._rows = 0
        self._digest = 0
        self._open: dict[int, _OpenMap] = {}

    def read(self) -> Restored:
        self._read_maps()
        self._read_elements()
        self._read_results()
        result = self._result
        if (self._rows, self._digest) != (result.totals.rows, result.totals.digest):
            raise schema.DamagedRow(
                f"it has {self._rows} rows where {result.totals.rows} were written, or older ones in their place"
            )
        result.maps = [found.stored() for found in self._open.values()]
        return result

    def _read_maps(self) -> None:
        for key, row_id, content in self._scan("maps"):
            record = schema.decode_map(content)
            found = self._open.setdefault(key, _OpenMap())
            match record:
                case SessionOpened():
                    found.session = record
                    continue
                case MapAccepted():
                    found.accepted = record
                case FunctionReplaced() if found.accepted is not None:
                    found.accepted = msgspec.structs.replace(found.accepted, function=record.function)
                case FunctionReplaced():
                    raise schema.DamagedRow(f"row {row_id} of its table maps belongs to no map")
                case TroubleCounted():
                    trouble = record.trouble, record.index
                    found.troubles[trouble] = record.count
                    if record.lease and record.trouble != "loss":
                        found.blamed[trouble] = (*found.blamed.get(trouble, ()), record.lease)
                case MapCancelled():
                    found.cancelled = True
                case MapForgotten():
                    self._result.forgotten.append(key)
                    del self._open[key]
            _must_fit(record.key == key, "maps", row_id)
        for key, found in self._open.items():
            if found.session is None or found.accepted is None or key >= self._result.totals.next_key:
                raise schema.DamagedRow(f"the rows of map {key} do not fit together")

    def _read_elements(self) -> None:
        for key, row_id, content in self._scan("elements"):
            record = schema.decode_elements(content)
            found = self._map(key, row_id, "elements", record.key)
            if found is not None:
                stop = record.start + len(record.payloads)
                found.segments.append((record.start, stop, row_id, sum(map(len, record.payloads))))
                found.complete = found.complete or record.last

    def _read_results(self) -> None:
        for key, row_id, content in self._scan("results"):
            record = schema.decode_results(content)
            found = self._map(key, row_id, "results", record.key)
            if found is not None:
                if isinstance(record, ResultsRecorded):
                    found.settle(record.start, record.start + len(record.payloads))
                else:
                    found.settle(record.index, record.index + 1)

    def _scan(self, table: str) -> Iterator[tuple[int, int, bytes]]:
        for row_id, crc, value in self._connection.execute(
            f"SELECT id, crc, content FROM {table} ORDER BY id"
        ):
            content = schema.checked(table, row_id, crc, value)
            self._rows += 1
            self._digest ^= crc
            key = row_id >> 32
            self._result.last_rows[key] = max(row_id, self._result.last_rows.get(key, 0))
            yield key, row_id, content

    def _map(self, key: int, row_id: int, table: str, recorded: int) -> _OpenMap | None:
        found = self._open.get(key)
        _must_fit(recorded == key and (found is not None or key in self._result.forgotten), table, row_id)
        return found


class _OpenMap:
    """A map while its rows are read."""

    def __init__(self) -> None:
        self.session: SessionOpened | None = None
        self.accepted: MapAccepted | None = None
        self.segments: list[tuple[int, int, int, int]] = []
        self.complete = False
        self.troubles: dict[tuple[str, int], int] = {}
        self.blamed: dict[tuple[str, int], tuple[int, ...]] = {}
        self.cancelled = False
        self._settled: list[tuple[int, int]] = []
        self._compact_at = 1 << 16

    def settle(self, start: int, stop: int) -> None:
        """Elements have their results; many rows with one result each must not take a tuple each for long."""
        self._settled.append((start, stop))
        if len(self._settled) >= self._compact_at:
            self._settled = merged(self._settled)
            self._compact_at = max(self._compact_at, 2 * len(self._settled))

    def stored(self) -> StoredMap:
        """What was read."""
        assert self.session is not None and self.accepted is not None
        return StoredMap(
            self.session,
            self.accepted,
            self.segments,
            self.complete,
            merged(self._settled),
            self.troubles,
            self.blamed,
            self.cancelled,
        )


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open ranges in rising order, those that touch or overlap as one."""
    result: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if start == stop:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def _must_fit(fits: bool, table: str, row_id: int) -> None:
    if not fits:
        raise schema.DamagedRow(f"row {row_id} of its table {table} belongs to no map")
