"""SIGKILL in the middle of appends: what was reported committed is there, and nothing is half there (R5, R6, R8)."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from kubefuture.errors import JournalError

from tests.runtime.journal_kit import content, expected, opened, stream, written

ROOT = Path(__file__).resolve().parents[2]
APPENDS = """if True:
    import os, struct, sys
    from pathlib import Path
    from tests.runtime.journal_kit import opened, stream
    journal = opened(Path(sys.argv[1]))
    journal.start(lambda sequence: os.write(1, struct.pack("!q", sequence)))
    batches = stream(int(sys.argv[2]))
    for _ in range(journal.committed):
        next(batches)
    for batch in batches:
        journal.append(batch)
        while journal.waiting_bytes > 1 << 20:
            pass
"""


def run_and_kill(folder: Path, seed: int, reports: int) -> int:
    """Appends in another process until it reported some times, kills it, and returns the last number reported."""
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDS, str(folder), str(seed)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'runtime/src'}:{ROOT}"},
    )
    heard = process.stdout.read(8 * reports)
    process.send_signal(signal.SIGKILL)
    heard += process.stdout.read()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return struct.unpack("!q", heard[-8:])[0]


@pytest.mark.parametrize("seed", range(12))
def test_r5_a_kill_loses_nothing_that_was_reported_and_leaves_nothing_half(tmp_path, seed):
    draw = random.Random(seed)
    for _ in range(2):  # the second one goes on where the first one was killed
        reported = run_and_kill(tmp_path, seed, draw.randint(1, 25))
        journal = opened(tmp_path)
        assert journal.committed >= reported
        assert content(journal) == expected(list(itertools.islice(stream(seed), journal.committed)))
        journal.close()


def test_r5_a_start_that_was_cut_short_is_made_good(tmp_path):
    """Killed before there was a journal: nothing was accepted, so this is no damage."""
    (tmp_path / "journal.new").write_bytes(b"half a database")
    (tmp_path / "journal.new-journal").write_bytes(b"and its journal")
    (tmp_path / "journal.lock").touch()
    opened(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.lock", "journal.sqlite"]


def test_r5_what_a_power_failure_tore_off_is_dropped_whole_if_it_was_never_reported(tmp_path):
    """And if it was reported, its absence is damage."""
    batches = list(itertools.islice(stream(1, sizes=(0, 50)), 12))
    written(tmp_path / "live", batches[:4])
    journal = opened(tmp_path / "live")
    for batch in batches[4:]:
        journal.append(batch)
        assert journal._writer._commit_waiting()
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    journal.close()
    wal = (tmp_path / "killed/journal.sqlite-wal").read_bytes()
    draw = random.Random(2)
    kept = set()
    for length in (0, *sorted(draw.sample(range(len(wal)), 25)), len(wal)):
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "killed", copy)
        (copy / "journal.sqlite-wal").write_bytes(wal[:length])
        if length < len(wal):
            with pytest.raises(JournalError, match="its last ones are lost"):
                opened(copy)
        (copy / "journal.lock").write_bytes((b"%020d" % 4) + b" 00000000\n")  # it was not synced either
        journal = opened(copy)
        assert content(journal) == expected(batches[: journal.committed])
        kept.add(journal.committed)
        journal.close()
        shutil.rmtree(copy)
    assert min(kept) == 4 and max(kept) == 12 and len(kept) > 4
