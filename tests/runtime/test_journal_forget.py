"""A forgotten map's space is given back, in steps that hold no commit up (R10, R16)."""

from __future__ import annotations

import shutil
import threading

import pytest
from kubefuture.machine.records import ElementsAccepted, MapForgotten, ResultsRecorded, TroubleCounted
from kubefuture.scheduler import journal_writer

from tests.faults.waiting import LIMIT, eventually
from tests.runtime.journal_kit import SESSION, Committed, accepted, content, expected, opened, written

SMALL = 1 << 20


def filled(folder, maps=(1, 2), count=300):
    """Maps of 300 rows with 10,000 bytes each, in turns, in a journal that is started."""
    written(folder, [[SESSION, *map(accepted, maps)]])
    for index in range(count):
        written_rows = [ResultsRecorded(key, index, [bytes([key]) * 10_000]) for key in maps]
        yield [*written_rows, *(TroubleCounted(key, "loss", index, 1) for key in maps)]


def size(folder):
    return sum(path.stat().st_size for path in folder.iterdir() if not path.name.endswith("-shm"))


def test_r16_a_forgotten_map_gives_its_space_back_and_the_others_stay(tmp_path):
    written(tmp_path, list(filled(tmp_path)))
    assert size(tmp_path) > 5.5 * SMALL
    journal = opened(tmp_path)
    committed = Committed()
    journal.start(committed)
    sequence = journal.append([MapForgotten(1)])
    committed.wait(sequence)
    assert journal.results(1, 0, 100) == ([], 0)
    eventually(lambda: size(tmp_path) < 3.5 * SMALL, "half of the space being back")
    committed.wait(journal.append([MapForgotten(2)]))
    eventually(lambda: size(tmp_path) < SMALL / 8, "nearly all of the space being back")
    journal.close()
    journal = opened(tmp_path)
    assert journal.restored() == [] and journal._writer._totals.rows == 0 and journal.next_key == 3
    journal.close()


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20, 100])
def test_r5_a_deletion_that_was_cut_short_goes_on_after_a_restart(tmp_path, monkeypatch, steps):
    monkeypatch.setattr(journal_writer, "JOURNAL_STEP_ROWS", 20)
    batches = list(filled(tmp_path / "live", count=150))
    written(tmp_path / "live", [*batches, [ElementsAccepted(1, 0, [b"x"] * 3, True)]])
    journal = opened(tmp_path / "live")
    journal.append([MapForgotten(1)])
    assert journal._writer._commit_waiting()
    for _ in range(steps):
        journal._writer._tidy()
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    journal.close()
    journal = opened(tmp_path / "killed")
    kept = [[record for record in batch if record.key == 2] for batch in batches]
    assert content(journal)["maps"][2] == expected([[SESSION, accepted(2)], *kept])["maps"][2]
    assert [stored.accepted.key for stored in journal.restored()] == [2]
    journal.start(Committed())
    eventually(lambda: not journal._writer._untidy, "the rest being deleted")
    assert journal._writer._totals.rows == 2 + 2 * 150
    journal.close()


def test_r16_no_step_is_long(tmp_path, monkeypatch):
    """Neither in rows nor in bytes; a commit waits for one step at most."""
    monkeypatch.setattr(journal_writer, "JOURNAL_STEP_ROWS", 50)
    monkeypatch.setattr(journal_writer, "JOURNAL_STEP_BYTES", 100_000)
    written(tmp_path, list(filled(tmp_path)))
    journal = opened(tmp_path)
    writer = journal._writer
    journal.append([MapForgotten(1)])
    assert writer._commit_waiting()
    rows, pages = [], []
    while True:
        before = writer._totals.rows, count(writer, "page_count")
        if not writer._tidy():
            break
        rows.append(before[0] - writer._totals.rows)
        pages.append(before[1] - count(writer, "page_count"))
    assert 0 < max(rows) <= 50 and sum(rows) == 603  # session, map, 300 results, 300 troubles, the end
    assert 10 < max(pages) <= 100_000 // 4096 + 1 and sum(pages) > 300  # one more: a page of the map of pages
    assert count(writer, "freelist_count") == 0
    journal.close()


def count(writer, pragma):
    return writer._connection.execute(f"PRAGMA {pragma}").fetchone()[0]


def test_r16_commits_go_on_while_a_map_is_deleted(tmp_path, monkeypatch):
    """Each commit is given leave for one step of the deletion, so one that waited for more would never be made."""
    monkeypatch.setattr(journal_writer, "JOURNAL_STEP_ROWS", 1)
    written(tmp_path, list(filled(tmp_path)))
    journal = opened(tmp_path)
    writer, leave = journal._writer, threading.Semaphore(0)
    tidy = writer._tidy
    monkeypatch.setattr(writer, "_tidy", lambda: leave.acquire(timeout=LIMIT) and tidy())
    journal.append([MapForgotten(1)])
    assert writer._commit_waiting()
    committed = Committed()
    journal.start(committed)
    for index in range(1000, 1021):
        sequence = journal.append([ResultsRecorded(2, index, [b"x"])])
        leave.release()
        committed.wait(sequence)
    assert writer._untidy and writer._totals.rows > 2 + 2 * 300, "it was not waited for"
    leave.release(10_000)
    journal.close()
