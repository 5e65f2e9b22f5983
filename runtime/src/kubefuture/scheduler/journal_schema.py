"""The journal's tables and rows, and how SQLite is set for them.

All tables have the same columns. A row holds one record, encoded, and a CRC-32 of its table, id and content,
since SQLite itself does not notice when a byte of a row is another one::

    maps       SessionOpened, MapAccepted, FunctionReplaced, TroubleCounted, MapCancelled, MapForgotten
    elements   ElementsAccepted
    results    ResultsRecorded, FailureRecorded
    state      one row: the last commit's number, the next free key, count and digest of all other rows

A map's rows have the ids `key << 32 | n` with n rising: so they lie together without an index (which could
disagree with its table), a map is deleted as a range, and results come in the order of their recording.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ..machine.records import (
    ElementsAccepted,
    FailureRecorded,
    FunctionReplaced,
    MapAccepted,
    MapCancelled,
    MapForgotten,
    Record,
    ResultsRecorded,
    SessionOpened,
    TroubleCounted,
)

APPLICATION_ID: Final = 0x6B667574
"""What SQLite's header says whose file it is: `kfut`."""

FORMAT: Final = 1
"""Raised when an older version could not read what a newer one writes."""

WAL_BYTES: Final = 4 << 20
"""The -wal file is made so short again when what was in it has gone to the database."""

_STATEMENT_BYTES = 1 << 20

MAP_TABLES: Final = ("maps", "elements", "results")

TABLE_OF: Final[dict[type[Record], str]] = {
    SessionOpened: "maps",
    MapAccepted: "maps",
    FunctionReplaced: "maps",
    TroubleCounted: "maps",
    MapCancelled: "maps",
    MapForgotten: "maps",
    ElementsAccepted: "elements",
    ResultsRecorded: "results",
    FailureRecorded: "results",
}

_TABLES = ("state", *MAP_TABLES)
_SCHEMA = {
    name: f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, crc INTEGER, content BLOB)" for name in _TABLES
}

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode

decode_map = msgspec.msgpack.Decoder(
    SessionOpened | MapAccepted | FunctionReplaced | TroubleCounted | MapCancelled | MapForgotten
).decode
decode_elements = msgspec.msgpack.Decoder(ElementsAccepted).decode
decode_results = msgspec.msgpack.Decoder(ResultsRecorded | FailureRecorded).decode


class DamagedRow(Exception):
    """A row is not what was written; the text says which and how."""


class Row(NamedTuple):
    """One row of a table, as it is bound to SQL."""

    id: int
    crc: int
    content: bytes


class Totals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The content of the one row of `state`.

    Attributes:
        sequence: Number of the last `append` that is committed.
        next_key: No map had this key or a higher one.
        rows: How many rows the other tables have.
        digest: The exclusive or of their checksums; with `rows` it shows that none is missing or stale.
    """

    sequence: int = 0
    next_key: int = 1
    rows: int = 0
    digest: int = 0


_decode_totals = msgspec.msgpack.Decoder(Totals).decode


def checksum(table: str, row_id: int, content: bytes) -> int:
    """The CRC-32 of a row."""
    return zlib.crc32(content, zlib.crc32(f"{table} {row_id}".encode()))


def checked(table: str, row_id: int, crc: object, content: object) -> bytes:
    """The content of a row that was read.

    Raises:
        DamagedRow: Its checksum is wrong.
    """
    if not isinstance(content, bytes) or crc != checksum(table, row_id, content):
        raise DamagedRow(f"the checksum of row {row_id} of its table {table} is wrong")
    return content


def key_range(key: int) -> tuple[int, int]:
    """The lowest id that a map's rows can have, and the first one beyond."""
    return key << 32, (key + 1) << 32


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Opens the file, which exists; transactions are ours to begin and end."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def set_for_writing(connection: sqlite3.Connection) -> str:
    """A commit is on the disk when it returns.

    Returns:
        The mode that SQLite is in then: `wal`, unless the file system is not able to.
    """
    mode = pragma(connection, "journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone does not reach the disk
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    return str(mode)


def pragma(connection: sqlite3.Connection, text: str) -> Any:
    """The first value that a PRAGMA answers with."""
    row = connection.execute(f"PRAGMA {text}").fetchone()
    return None if row is None else row[0]


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty file."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    with transaction(connection):
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        for statement in _SCHEMA.values():
            connection.execute(statement)
        write_totals(connection, Totals())


def schema_fits(connection: sqlite3.Connection) -> bool:
    """Whether the tables are those that `create` makes."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    return found == _SCHEMA and pragma(connection, "auto_vacuum") == 2


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def insert(connection: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    """Inserts rows, many with one statement.

    Each statement lets other threads run, and getting the turn back from a busy one takes up to 5 ms. But it copies
    all that it is given.
    """
    done = 0
    while done < len(rows):
        size = 1 << min(8, (len(rows) - done).bit_length() - 1)
        while size > 1 and sum(len(row.content) for row in rows[done : done + size]) > _STATEMENT_BYTES:
            size >>= 1
        values = [value for row in rows[done : done + size] for value in row]
        connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?)" + ", (?, ?, ?)" * (size - 1), values)
        done += size


def read_totals(connection: sqlite3.Connection) -> Totals:
    """The row of `state`.

    Raises:
        DamagedRow: It is not there, or wrong.
    """
    found = connection.execute("SELECT id, crc, content FROM state").fetchall()
    if len(found) != 1:
        raise DamagedRow(f"its table state has {len(found)} rows")
    return _decode_totals(checked("state", *found[0]))


def write_totals(connection: sqlite3.Connection, totals: Totals) -> None:
    """Replaces the row of `state`."""
    content = encode(totals)
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (1, checksum("state", 1, content), content)
    )
