"""A damaged journal is reported, with what to do; never taken for another one or begun anew (R5, R9)."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from kubefuture.errors import JournalError
from kubefuture.machine.records import ElementsAccepted, MapForgotten, ResultsRecorded
from kubefuture.scheduler import journal_schema as schema

from tests.runtime.journal_kit import SESSION, accepted, content, expected, opened, stream, written

FILES = ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "journal.lock")


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> tuple[Path, Path, dict]:
    """A journal as it is after a kill, the same one closed, and what both hold."""
    folder = tmp_path_factory.mktemp("sample")
    batches = list(itertools.islice(stream(7, sizes=(0, 3, 60, 3000)), 60))
    assert any(isinstance(record, MapForgotten) for batch in batches for record in batch)
    written(folder / "closed", batches[:30])
    journal = opened(folder / "closed")
    for batch in batches[30:]:
        journal.append(batch)
        assert journal._writer._commit_waiting()
    shutil.copytree(folder / "closed", folder / "killed")
    journal.close()
    journal = opened(folder / "closed")
    whole = content(journal)
    journal.close()
    assert whole == expected(batches) and len(whole["maps"]) >= 2
    return folder / "killed", folder / "closed", whole


def outcome(folder: Path, whole: dict) -> str:
    """`same` or the sentence of the damage; anything else fails."""
    try:
        journal = opened(folder)
    except JournalError as error:
        return str(error)
    try:
        assert content(journal) == whole
    finally:
        journal.close()
    return "same"


def flip(original: Path, copy: Path, name: str, place: int, mask: int) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)
    with open(copy / name, "r+b") as file:
        file.seek(place)
        value = file.read(1)[0]
        file.seek(place)
        file.write(bytes([value ^ mask]))


@pytest.mark.parametrize(
    ("state", "name"),
    [*(("killed", name) for name in FILES), ("closed", "journal.sqlite"), ("closed", "journal.lock")],
)
def test_r5_a_flipped_byte_is_reported_or_changes_nothing(tmp_path, sample, state, name):
    original = sample[state == "closed"]
    size = (original / name).stat().st_size
    draw = random.Random(f"{state} {name}")
    places = {*range(0, min(size, 130), 3), *(draw.randrange(size) for _ in range(120))}
    outcomes = []
    for place in sorted(places):
        flip(original, tmp_path / "copy", name, place, draw.randint(1, 255))
        try:
            outcomes.append(outcome(tmp_path / "copy", sample[2]))
        except Exception as error:
            raise AssertionError(f"byte {place} of {name}") from error
    damaged = [sentence for sentence in outcomes if sentence != "same"]
    assert len(damaged) > 20 or name in ("journal.sqlite-shm", "journal.lock")
    for sentence in damaged:
        assert "remove it, which loses the named maps" in sentence, sentence


def test_r5_a_damaged_journal_stays_as_it_was_found(tmp_path, sample):
    """So that what it still holds can be kept, and the next start says the same."""
    size = (sample[0] / "journal.sqlite-wal").stat().st_size
    flip(sample[0], tmp_path / "copy", "journal.sqlite-wal", size // 2, 1)
    before = {name: (tmp_path / "copy" / name).read_bytes() for name in FILES if not name.endswith("-shm")}
    sentences = {outcome(tmp_path / "copy", sample[2]) for _ in range(2)}
    assert len(sentences) == 1 and "its last ones are lost" in sentences.pop()
    assert before == {name: (tmp_path / "copy" / name).read_bytes() for name in before}


def test_r5_a_journal_cut_short_anywhere_is_reported(tmp_path, sample):
    size = (sample[1] / "journal.sqlite").stat().st_size
    draw = random.Random(5)
    for length in (0, 1, 99, 100, 4096, size - 4096, size - 1, *(draw.randrange(size) for _ in range(20))):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(sample[1], tmp_path / "copy")
        with open(tmp_path / "copy/journal.sqlite", "r+b") as file:
            file.truncate(length)
        assert "cannot be used" in outcome(tmp_path / "copy", sample[2]), length


def test_r5_a_page_from_an_earlier_day_is_reported(tmp_path, sample):
    """As after a write that the disk lost: every row's checksum is right."""
    written(tmp_path / "old", [[SESSION, accepted(1)], [ElementsAccepted(1, 0, [b"x"], False)]])
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    written(tmp_path / "new", [[ElementsAccepted(1, 1, [b"y"], True)]])
    with sqlite3.connect(tmp_path / "new/journal.sqlite") as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'elements'").fetchone()
    connection.close()
    offset = (page - 1) * 4096
    stale = (tmp_path / "old/journal.sqlite").read_bytes()[offset : offset + 4096]
    with open(tmp_path / "new/journal.sqlite", "r+b") as file:
        file.seek(offset)
        file.write(stale)
    with pytest.raises(JournalError, match="has 3 rows where 4 were written"):
        opened(tmp_path / "new")


def edited(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    connection.execute("PRAGMA writable_schema = ON")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("PRAGMA application_id = 7", "no journal of kubefuture"),
        ("PRAGMA user_version = 2", "has format 2, and this version of kubefuture knows format 1"),
        ("CREATE TABLE other (id)", "its tables are not those of a journal"),
        ("CREATE INDEX other ON results (crc)", "its tables are not those of a journal"),
        ("DELETE FROM results", "has 3 rows where 4 were written"),
        ("DELETE FROM state", "its table state has 0 rows"),
        (
            "UPDATE results SET content = x'00'",
            "the checksum of row 4294967300 of its table results is wrong",
        ),
        ("UPDATE results SET content = CAST(content AS TEXT)", "cannot be used"),
        ("UPDATE results SET id = id + 1", "the checksum"),
        ("UPDATE results SET crc = NULL", "the checksum"),
    ],
)
def test_r5_what_somebody_changed_is_reported(tmp_path, statement, sentence):
    written(
        tmp_path,
        [[SESSION, accepted(1)], [ElementsAccepted(1, 0, [b"x"], True)], [ResultsRecorded(1, 0, [b"y"])]],
    )
    edited(tmp_path, statement)
    for _ in range(2):
        with pytest.raises(JournalError) as caught:
            opened(tmp_path)
        assert sentence in str(caught.value) and str(tmp_path / "journal.sqlite") in str(caught.value)


@pytest.mark.parametrize(
    ("table", "row", "record", "sentence"),
    [
        ("results", (2 << 32) + 1, ResultsRecorded(2, 0, []), "belongs to no map"),
        ("results", (1 << 32) + 9, ResultsRecorded(2, 0, []), "belongs to no map"),
        ("elements", (1 << 32) + 9, ResultsRecorded(1, 0, []), "a row cannot be decoded"),
        ("maps", (7 << 32) + 1, SESSION, "the rows of map 7 do not fit together"),
        ("maps", (7 << 32) + 1, accepted(7), "the rows of map 7 do not fit together"),
    ],
)
def test_r5_a_row_that_does_not_fit_is_reported_though_its_checksum_is_right(
    tmp_path, table, row, record, sentence
):
    written(tmp_path, [[SESSION, accepted(1)]])
    coded = schema.encode(record)
    edited(
        tmp_path,
        f"INSERT INTO {table} VALUES ({row}, {schema.checksum(table, row, coded)}, x'{coded.hex()}')",
    )
    with pytest.raises(JournalError, match=sentence):
        opened(tmp_path)


def test_r5_a_schema_that_is_no_text_any_more_is_reported(tmp_path):
    """SQLite's own sentence about it is no UTF-8 then."""
    written(tmp_path, [])
    file = tmp_path / "journal.sqlite"
    file.write_bytes(file.read_bytes().replace(b"tableresultsresults", b"tableresult\xcb\xfdesults"))
    with pytest.raises(JournalError, match="cannot be used: SQLite says"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0", bytes(5000)])
def test_r5_a_file_that_is_no_database_is_reported(tmp_path, content):
    (tmp_path / "journal.sqlite").write_bytes(content)
    with pytest.raises(JournalError, match="cannot be used"):
        opened(tmp_path)
    assert (tmp_path / "journal.sqlite").read_bytes() == content


def test_r9_a_journal_that_is_missing_is_not_begun_anew(tmp_path, sample):
    """Only a folder that is gone or empty is a fresh start."""
    shutil.copytree(sample[0], tmp_path / "copy")
    (tmp_path / "copy/journal.sqlite").unlink()
    for what in ("journal.lock says that there was one", "journal.sqlite-wal is there"):
        with pytest.raises(JournalError, match=f"it is missing, but {what}"):
            opened(tmp_path / "copy")
        (tmp_path / "copy/journal.lock").unlink()


def test_r5_an_older_copy_put_beside_the_newer_lock_is_reported(tmp_path):
    written(tmp_path / "live", [[SESSION, accepted(1)]])
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    written(tmp_path / "live", [[accepted(2)]])
    shutil.copy(tmp_path / "copy/journal.sqlite", tmp_path / "live/journal.sqlite")
    with pytest.raises(JournalError, match=r"ends with commit 1, but journal.lock says that 2 were made"):
        opened(tmp_path / "live")
    shutil.rmtree(tmp_path / "live")
    shutil.copytree(tmp_path / "copy", tmp_path / "live")
    opened(tmp_path / "live").close()


def test_r5_a_row_that_is_damaged_while_it_is_open_is_never_given_out(tmp_path):
    written(
        tmp_path,
        [[SESSION, accepted(1)], [ElementsAccepted(1, 0, [b"x"], True), ResultsRecorded(1, 0, [b"y"])]],
    )
    journal = opened(tmp_path)
    row = journal.restored()[0].segments[0][2]
    edited(tmp_path, "UPDATE elements SET crc = crc + 1", "UPDATE results SET crc = crc + 1")
    with pytest.raises(JournalError, match="the checksum"):
        journal.elements(row)
    with pytest.raises(JournalError, match="the checksum"):
        journal.results(1, 0, 100)
    with pytest.raises(JournalError, match=f"row {row + 5} is gone"):
        journal.elements(row + 5)
    journal.close()
