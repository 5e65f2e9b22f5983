"""The journal of named work: what is accepted is committed, and comes back as it was (R5, R6, R8)."""

from __future__ import annotations

import itertools
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
from kubefuture.errors import JournalError
from kubefuture.machine.records import (
    ElementsAccepted,
    FailureRecorded,
    MapCancelled,
    MapForgotten,
    ResultsRecorded,
    SessionOpened,
    TroubleCounted,
)
from kubefuture.protocol.messages import Failure, Span
from kubefuture.scheduler import journal_open
from kubefuture.scheduler.journal import Journal

from tests.runtime.journal_kit import SESSION, Committed, accepted, content, expected, opened, stream, written


@pytest.fixture
def journal(tmp_path):
    """One that is started, with `committed` for waiting, and one map."""
    made = opened(tmp_path / "journal")
    made.committed_ones = Committed()
    made.start(made.committed_ones)
    made.append([SESSION, accepted(1)])
    yield made
    made.close()


def test_r5_accepted_means_committed(tmp_path, journal):
    """Another connection, as a new process would have, finds what was reported."""
    sequence = journal.append([ElementsAccepted(1, 0, [b"a", b"b"], True)])
    journal.committed_ones.wait(sequence)
    assert journal.committed == sequence and journal.waiting_bytes == 0
    with sqlite3.connect(tmp_path / "journal/journal.sqlite") as other:
        assert other.execute("SELECT count(*) FROM elements").fetchone() == (1,)


def test_r5_a_commit_is_synced_before_it_is_reported(journal):
    """FULL, also on macOS; and the mode in which a reader does not wait for it."""
    connection = journal._writer._connection
    for name, value in (("synchronous", 2), ("fullfsync", 1), ("journal_mode", "wal")):
        assert connection.execute(f"PRAGMA {name}").fetchone() == (value,)


@pytest.mark.parametrize("seed", range(5))
def test_r5_what_was_recorded_comes_back_as_it_was_after_every_restart(tmp_path, seed):
    batches = list(itertools.islice(stream(seed), 120))
    for done in range(0, 120, 30):
        written(tmp_path, batches[done : done + 30])
        journal = opened(tmp_path)
        assert content(journal) == expected(batches[: done + 30])
        assert journal.committed == done + 30
        journal.close()


def test_r5_sequences_rise_also_over_restarts(tmp_path):
    written(tmp_path, [[SESSION, accepted(1)], [MapCancelled(1)]])
    journal = opened(tmp_path)
    assert journal.append([MapForgotten(1)]) == 3
    journal.close()


def test_r5_a_key_is_never_used_twice(tmp_path):
    """Not while its map is there, not after it is forgotten, not after a restart."""
    journal = opened(tmp_path)
    assert journal.next_key == 1
    journal.append([SESSION, accepted(5)])
    journal.append([MapForgotten(5)])
    assert journal.next_key == 6
    with pytest.raises(JournalError, match="5 was used before"):
        journal.append([accepted(5)])
    journal.close()
    journal = opened(tmp_path)
    assert journal.next_key == 6 and journal.restored() == []
    with pytest.raises(JournalError, match="5 was used before"):
        journal.append([SESSION, accepted(5)])
    journal.close()


@pytest.mark.parametrize("started", [True, False])
def test_r5_closing_commits_what_waits(tmp_path, started):
    journal = opened(tmp_path)
    if started:
        journal.start(Committed())
    journal.append([SESSION, accepted(1)])
    journal.close()
    journal.close()
    journal = opened(tmp_path)
    assert [stored.accepted for stored in journal.restored()] == [accepted(1)]
    journal.close()
    assert not (tmp_path / "journal.sqlite-wal").exists()


def test_r5_what_waits_is_committed_together(tmp_path):
    """Group commit: appending never waits for the disk, and a thousand appends do not take a thousand syncs."""
    journal = opened(tmp_path)
    go = threading.Event()
    committed = Committed()

    def slow(sequence):
        go.wait()
        committed(sequence)

    journal.start(slow)
    journal.append([SESSION, accepted(1)])
    for index in range(1000):
        last = journal.append([ResultsRecorded(1, index, [b"x" * 100])])
    assert journal.waiting_bytes > 0
    go.set()
    committed.wait(last)
    assert committed.times <= 3 and journal.waiting_bytes == 0
    journal.close()


def test_r5_a_record_of_no_map_is_refused_with_all_that_came_with_it(journal):
    before = journal.append([MapCancelled(1)])
    for wrong in (
        [MapCancelled(1), MapCancelled(2)],
        [MapForgotten(1), MapCancelled(1)],
        [ResultsRecorded(1, 0, [b"x"]), accepted(1)],
        [SessionOpened("other", (), ""), accepted(2), MapCancelled(9)],
    ):
        with pytest.raises(JournalError):
            journal.append(wrong)
    assert journal.next_key == 2
    assert journal.append([accepted(2), MapForgotten(2)]) == before + 1


def test_r5_a_map_of_a_session_that_the_journal_never_saw_is_refused(tmp_path):
    journal = opened(tmp_path)
    with pytest.raises(JournalError, match="no session 'session-1'"):
        journal.append([accepted(1)])
    journal.close()


def test_r5_a_session_that_was_restored_may_go_on(tmp_path):
    written(tmp_path, [[SESSION, accepted(1)]])
    written(tmp_path, [[accepted(2)]])
    journal = opened(tmp_path)
    assert [stored.session for stored in journal.restored()] == [SESSION, SESSION]
    journal.close()


def test_r6_results_come_in_the_order_of_recording_and_only_committed_ones(journal):
    assert journal.results(1, 0, 10**6) == ([], 0)
    last = journal.append(
        [
            ResultsRecorded(1, 7, [b"seven", b"eight"]),
            FailureRecorded(1, 3, "raised", b"error"),
            TroubleCounted(1, "retry", 3, 1),
            ResultsRecorded(1, 0, [b"zero"]),
        ]
    )
    journal.committed_ones.wait(last)
    found, cursor = journal.results(1, 0, 10**6)
    assert found == [
        Span(41, 7, [b"seven", b"eight"]),
        Failure(41, 3, "raised", b"error"),
        Span(41, 0, [b"zero"]),
    ]
    assert journal.results(1, cursor, 10**6) == ([], cursor)
    journal.committed_ones.wait(journal.append([ResultsRecorded(1, 1, [b"one"])]))
    assert journal.results(1, cursor, 10**6)[0] == [Span(41, 1, [b"one"])]


def test_r6_results_are_cut_at_the_limit_but_one_row_always_comes(journal):
    last = journal.append([ResultsRecorded(1, index, [b"x" * 1000]) for index in range(6)])
    journal.committed_ones.wait(last)
    found, cursor = journal.results(1, 0, 2500)
    assert [span.start for span in found] == [0, 1]
    found, cursor = journal.results(1, cursor, 1)
    assert [span.start for span in found] == [2]
    assert [span.start for span in journal.results(1, cursor, 10**6)[0]] == [3, 4, 5]


def test_r8_cancel_and_strikes_come_back_the_latest_count_last(tmp_path):
    written(
        tmp_path,
        [
            [SESSION, accepted(1)],
            [TroubleCounted(1, "strike", 4, 1), TroubleCounted(1, "loss", 4, 1)],
            [TroubleCounted(1, "strike", 4, 2), MapCancelled(1)],
        ],
    )
    journal = opened(tmp_path)
    (stored,) = journal.restored()
    assert stored.troubles == {("strike", 4): 2, ("loss", 4): 1} and stored.cancelled
    journal.close()


def test_r6_many_single_results_are_kept_as_few_ranges(tmp_path):
    journal = opened(tmp_path)
    journal.append([SESSION, accepted(1)])
    odd = [ResultsRecorded(1, index, [b""]) for index in range(1, 70_000, 2)]
    journal.append(odd)
    journal.append([ResultsRecorded(1, index, [b""]) for index in range(0, 70_000, 2) if index != 40_000])
    journal.close()
    journal = opened(tmp_path)
    assert journal.restored()[0].settled == [(0, 40_000), (40_001, 70_000)]
    journal.close()


def test_r16_a_payload_of_100_mib_works(tmp_path):
    large = bytes(100 << 20)
    written(
        tmp_path,
        [[SESSION, accepted(1)], [ElementsAccepted(1, 0, [large], True)], [ResultsRecorded(1, 0, [large])]],
    )
    journal = opened(tmp_path)
    ((start, stop, row, size),) = journal.restored()[0].segments
    assert (start, stop, size) == (0, 1, 100 << 20)
    assert journal.elements(row) == [large]
    assert journal.results(1, 0, 1)[0] == [Span(41, 0, [large])]
    journal.close()


def test_r16_what_no_row_can_hold_is_refused_before_anything_is_appended(journal):
    payload = bytes(50 << 20)
    last = journal.append([MapCancelled(1)])
    for too_large in (ElementsAccepted(1, 0, [payload] * 20, True), ResultsRecorded(1, 0, [payload] * 20)):
        with pytest.raises(JournalError, match=r"1048576000 bytes is too large"):
            journal.append([ResultsRecorded(1, 0, [b"small"]), too_large])
    journal._row_limit = 100  # a failure or a function is refused as well; without a gigabyte of memory
    for too_large in (FailureRecorded(1, 0, "raised", bytes(200)), accepted(2, function=bytes(200))):
        with pytest.raises(JournalError, match="too large"):
            journal.append([too_large])
    assert journal.append([MapCancelled(1)]) == last + 1
    assert journal.next_key == 2


def test_the_folder_and_its_files_are_private(tmp_path):
    folder = tmp_path / "some" / "journal"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    journal = opened(folder)
    journal.append([SESSION, accepted(1)])
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert names == {f"journal.{name}": 0o600 for name in ("lock", "sqlite", "sqlite-wal", "sqlite-shm")}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    journal.close()
    (folder / "journal.sqlite").chmod(0o644)
    opened(folder).close()
    assert stat.S_IMODE((folder / "journal.sqlite").stat().st_mode) == 0o600


def test_a_journal_that_is_open_already_is_refused_and_says_by_whom(tmp_path):
    other = """if True:
        import sys
        from pathlib import Path
        from kubefuture.scheduler.journal import Journal
        journal = Journal.open(Path(sys.argv[1]), print)
        print("open", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", other, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(JournalError, match=rf"open in another process \(pid {process.pid}\)"):
            opened(tmp_path)
        process.kill()
    opened(tmp_path).close()


def test_a_long_read_at_start_is_a_line_in_the_log(tmp_path, monkeypatch):
    lines = []
    written(tmp_path, [[SESSION, accepted(1)]])
    monkeypatch.setattr(journal_open, "JOURNAL_SLOW_SECONDS", 3600.0)
    Journal.open(tmp_path, lines.append).close()
    assert lines == []
    monkeypatch.setattr(journal_open, "JOURNAL_SLOW_SECONDS", 0.0)
    Journal.open(tmp_path, lines.append).close()
    assert len(lines) == 1 and lines[0].endswith("2 rows")
