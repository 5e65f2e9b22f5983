"""A disk that is full, small, or not ours: nothing is lost, and a sentence says what to do (R5, R16)."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from kubefuture.errors import JournalError
from kubefuture.machine.records import ElementsAccepted, MapForgotten, ResultsRecorded
from kubefuture.scheduler import journal_open, journal_writer
from kubefuture.scheduler.journal import Journal, Room

from tests import needs
from tests.faults.waiting import LIMIT, eventually
from tests.runtime.journal_kit import (
    SESSION,
    Committed,
    accepted,
    content,
    expected,
    opened,
    results,
    written,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_opening_is_slow(monkeypatch):
    """A busy machine's would add a line to the log."""
    monkeypatch.setattr(journal_open, "JOURNAL_SLOW_SECONDS", 3600.0)


@pytest.fixture
def disk(tmp_path):
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = needs.command("mount", "a small disk to fill")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True
    ).returncode:
        needs.missing("the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fills a disk but for some bytes."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC
        file.truncate(max(0, file.tell() - leave))
    return ballast


def test_r5_a_full_disk_loses_nothing_and_is_over_when_there_is_room_again(disk, monkeypatch):
    lines = []
    journal = Journal.open(disk / "journal", lines.append)
    committed = Committed()
    journal.start(committed)
    batches = [[SESSION, accepted(1)]]
    committed.wait(journal.append(batches[0]))
    ballast = fill(disk)
    for index in range(3000):
        batches.append([ResultsRecorded(1, index, [bytes([index % 256]) * 1000])])
        last = journal.append(batches[-1])
    eventually(lambda: journal.trouble, "trouble")
    assert "database or disk is full" in journal.trouble and "make room" in journal.trouble
    assert journal.waiting_bytes > 0 and committed.sequence < last
    assert (
        len(list(results(journal, 1))) == committed.sequence - 1
    )  # what is committed can be read all the same
    assert journal.room() is Room.NO_LEASES
    attempt, tries = journal._writer._attempt, []
    monkeypatch.setattr(journal._writer, "_attempt", lambda step: tries.append(step) or attempt(step))
    eventually(lambda: tries, "another attempt")
    ballast.unlink()
    committed.wait(last)
    eventually(lambda: not journal.trouble, "the end of the trouble")
    assert journal.waiting_bytes == 0
    assert len(lines) == 2 and "can be written again" in lines[1]
    journal.close()
    journal = opened(disk / "journal")
    assert content(journal) == expected(batches)
    journal.close()


def test_r5_closing_on_a_full_disk_says_that_something_was_not_committed(disk):
    journal = opened(disk / "journal")
    committed = Committed()
    journal.start(committed)
    committed.wait(journal.append([SESSION, accepted(1)]))
    ballast = fill(disk)
    journal.append([ElementsAccepted(1, 0, [bytes(6 << 20)], True)])
    with pytest.raises(JournalError, match="disk is full"):
        journal.close()
    ballast.unlink()
    journal = opened(disk / "journal")
    assert content(journal) == expected([[SESSION, accepted(1)]])
    journal.close()


@pytest.mark.parametrize("leave", [0, 8192, 40960])
@pytest.mark.parametrize("there", [False, True])
def test_r5_a_disk_that_is_full_at_start_is_said(disk, there, leave):
    """Or it is just enough to open it; and what was there before is there afterwards."""
    batches = [[SESSION, accepted(1)], [ElementsAccepted(1, 0, [b"x" * 9000], True)]]
    if there:
        written(disk / "journal", batches)
    ballast = fill(disk, leave)
    try:
        opened(disk / "journal").close()
    except JournalError as error:
        assert "its file system is full. Make room" in str(error)
    else:
        assert leave
    ballast.unlink()
    journal = opened(disk / "journal")
    assert content(journal) == expected(batches if there else [])
    journal.close()


def test_r5_an_error_of_the_disk_is_tried_again(tmp_path, monkeypatch):
    """Also one that comes after the commit: it is not made twice."""
    failures = iter(["before", "after", "before", ""])

    def commit(writer, batches, commit=journal_writer.JournalWriter._commit):
        failure = next(failures, "")
        if failure == "before":
            raise sqlite3.OperationalError("disk I/O error")
        done = commit(writer, batches)
        if failure == "after":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return done

    monkeypatch.setattr(journal_writer.JournalWriter, "_commit", commit)
    lines = []
    journal = Journal.open(tmp_path, lines.append)
    committed = Committed()
    journal.start(committed)
    batches = [[SESSION, accepted(1)], [ResultsRecorded(1, 0, [b"x"])]]
    for batch in batches:
        last = journal.append(batch)
    committed.wait(last)
    journal.close()
    assert ["cannot be written" in line for line in lines] == [True, False]
    journal = opened(tmp_path)
    assert content(journal) == expected(batches)
    journal.close()


def test_r16_room_follows_the_limit(tmp_path):
    options = {"free_no_new_work": 0, "free_no_leases": 0}
    journal = opened(tmp_path, limit_bytes=1_000_000, **options)
    committed = Committed()
    journal.start(committed)
    journal.append([SESSION, accepted(1)])
    assert journal.room() is Room.FREE
    rooms = [Room.FREE]
    for index in range(100):
        committed.wait(journal.append([ResultsRecorded(1, index, [bytes(10_000)])]))
        if journal.room() is not rooms[-1]:
            rooms.append(journal.room())
    assert rooms == [Room.FREE, Room.NO_NEW_WORK, Room.NO_LEASES]
    committed.wait(journal.append([MapForgotten(1)]))
    eventually(lambda: journal.room() is Room.FREE, "room, as the map is forgotten")
    journal.close()


def test_r16_what_is_in_the_database_is_not_counted_twice(tmp_path):
    """SQLite shortens its -wal file with a later commit: there is none when nothing may be leased any more."""
    journal = opened(tmp_path, limit_bytes=40 << 20, free_no_new_work=0, free_no_leases=0)
    committed = Committed()
    journal.start(committed)
    committed.wait(journal.append([SESSION, accepted(1), ResultsRecorded(1, 0, [bytes(24 << 20)])]))
    eventually(lambda: journal.room() is Room.FREE, "the end of the -wal file")
    assert len(list(results(journal, 1))) == 1
    journal.close()


def test_r16_room_follows_what_the_file_system_has_left(disk):
    journal = opened(disk / "journal", free_no_new_work=4 << 20, free_no_leases=2 << 20)
    assert journal.room() is Room.FREE
    ballast = fill(disk, leave=3 << 20)
    assert journal.room() is Room.NO_NEW_WORK
    ballast.unlink()
    fill(disk, leave=1 << 20)
    assert journal.room() is Room.NO_LEASES
    journal.close()


def test_r16_by_default_there_are_10_gib_and_a_gib_is_to_be_free(disk):
    """So a small disk has no room from the start."""
    journal = opened(disk / "journal")
    assert journal.room() is Room.NO_LEASES
    journal.close()


AS_NOBODY = """if True:
    import sys
    from pathlib import Path
    from kubefuture.errors import JournalError
    from kubefuture.scheduler.journal import Journal
    try:
        Journal.open(Path(sys.argv[1]), print).close()
    except JournalError as error:
        print("refused:", error)
    else:
        print("opened")
"""


@pytest.fixture
def nobody():
    """Opens a journal as another user; its folder is `nobody.folder / "journal"`."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    become = [
        needs.command("setpriv", "to be another user"),
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ]
    if subprocess.run([*become, sys.executable, "-c", ""], capture_output=True, timeout=LIMIT).returncode:
        pytest.skip("this Python is root's alone")
    folder = Path(tempfile.mkdtemp(prefix="kubefuture-test-"))
    folder.chmod(0o755)
    source = shutil.copytree(ROOT / "runtime/src", folder / "src")

    def run() -> str:
        return subprocess.run(
            [*become, sys.executable, "-c", AS_NOBODY, str(folder / "journal")],
            env={"PYTHONPATH": str(source), "PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=LIMIT, check=True,
        ).stdout  # fmt: skip

    run.folder = folder
    yield run
    shutil.rmtree(folder)


def give(folder: Path) -> None:
    for path in (folder, *folder.iterdir()):
        os.chown(path, 65534, 65534)


def test_a_journal_of_ones_own_can_be_opened(nobody):
    written(nobody.folder / "journal", [[SESSION, accepted(1)]])
    give(nobody.folder / "journal")
    assert nobody() == "opened\n"


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_of_somebody_else_is_refused(nobody, there):
    if there:
        written(nobody.folder / "journal", [[SESSION, accepted(1)]])
    said = nobody()
    assert said.startswith("refused: The journal of named work in ") and "cannot be written" in said
    assert "uid 65534" in said and "Traceback" not in said


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.lock"])
def test_a_file_of_somebody_else_is_refused(nobody, name):
    written(nobody.folder / "journal", [[SESSION, accepted(1)]])
    give(nobody.folder / "journal")
    os.chown(nobody.folder / "journal" / name, 0, 0)
    assert "cannot be written: Operation not permitted" in nobody()


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "journal").touch()
    with pytest.raises(JournalError, match="cannot be written: File exists"):
        opened(tmp_path / "journal")


def test_a_file_system_that_is_read_only_is_refused(disk):
    written(disk / "journal", [[SESSION, accepted(1)]])
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(JournalError, match="cannot be written: Read-only file system"):
        opened(disk / "journal")
