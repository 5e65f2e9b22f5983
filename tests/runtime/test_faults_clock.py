"""A wall clock that jumps by hours concerns log lines and dates, and nothing that is decided (R1, R7, R10)."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time

import kubefuture as kf
import pytest
from kubefuture.core.events import parse
from kubefuture.core.files import replace_text
from kubefuture.scheduler.lease_numbers import first_lease
from kubefuture.scheduler.wall_clock import WallClock

from tests.faults.checkpoint import reach
from tests.faults.programs import SOURCE, Cluster, Program
from tests.faults.waiting import eventually

HOUR = 3600.0

SITE = """
import time

def wrong(name, scale):
    true = getattr(time, name)
    setattr(time, name, lambda: true() + scale * float(open({offset!r}).read()))

wrong("time", 1)
time.time_ns = lambda: int(time.time() * 1e9)
"""


class WrongClock(Cluster):
    """A cluster whose programs, and their slots, see a wall clock that can be set."""

    def __init__(self) -> None:
        super().__init__(2)
        self._offset = self.folder / "offset"
        (self.folder / "site").mkdir()
        (self.folder / "site" / "sitecustomize.py").write_text(SITE.format(offset=str(self._offset)))
        self.set(0.0)

    def set(self, seconds: float) -> None:
        """Sets the clock, so many seconds from the true time; programs read the file at any moment."""
        replace_text(self._offset, str(seconds))

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        """Starts a program without waiting for what it says."""
        return super().program(role, *arguments, PYTHONPATH=f"{self.folder / 'site'}:{SOURCE}", **changes)


def said(cluster: Cluster) -> list[dict[str, str]]:
    """What the scheduler's log says of jumps."""
    events = [parse(line.partition(" ")[2]) for line in cluster.scheduler.text().splitlines()]
    return [dict(event.fields) for event in events if event is not None and event.name == "clock-jumped"]


@pytest.fixture
def wrong():
    with WrongClock() as started, kf.plan("cluster", connection=started.connection):
        yield started


@pytest.mark.parametrize("hours", [-30, 30])
def test_R10_a_clock_that_jumps_ends_no_lease_and_no_session(wrong, checkpoint, hours):
    port = checkpoint.port
    named = kf.imap(lambda i: reach(port, i), range(2), name="named", chunk_size=1)
    visits = checkpoint.take(2)
    futures = [kf.future(lambda i: reach(port, i), i) for i in range(3)]
    wrong.set(hours * HOUR)
    status = wrong.status()
    assert [worker.busy for worker in status.workers] == [2] and 0 <= status.uptime_s < HOUR
    assert kf.n_workers() == 2
    eventually(lambda: said(wrong), "a line in the log that names it")
    (line,) = said(wrong)
    assert float(line["seconds"]) == pytest.approx(hours * HOUR, abs=60) and "clock was set" in line["told"]
    for visit in visits:
        visit.go("on")
    for visit in checkpoint.take(2):
        visit.go("on")
    checkpoint.next().go("on")
    assert list(named) == ["on"] * 2 and kf.value(futures) == ["on"] * 3
    assert not checkpoint.anybody, "nothing ran twice"


@pytest.mark.parametrize("hours", [-30, 30])
def test_R7_what_runs_goes_on_under_a_scheduler_that_is_started_after_the_clock_jumped(
    wrong, checkpoint, hours
):
    port = checkpoint.port
    futures = [kf.future(lambda i: reach(port, i), i) for i in range(6)]
    visits = checkpoint.take(2)
    slots = wrong.slots()
    wrong.kill_scheduler()
    wrong.set(hours * HOUR)
    wrong.start_scheduler()
    eventually(
        lambda: [worker.busy for worker in wrong.status().workers] == [2], "the worker and what it runs"
    )
    for visit in visits:
        visit.go("on")
    for _ in range(4):
        checkpoint.next().go("on")
    assert kf.value(futures) == ["on"] * 6
    assert not checkpoint.anybody and wrong.slots() == slots


def test_R1_a_clock_that_is_only_trimmed_is_no_line_and_one_that_is_set_is_one(monkeypatch):
    true, lines = time.time(), []
    monkeypatch.setattr(time, "monotonic", lambda: 50.0)
    monkeypatch.setattr(time, "time", lambda: true)
    clock = WallClock(lines.append)
    for more in (0.4, 0.9, -0.9):
        true += more
        clock.look()
    assert not lines
    for more in (1.1, -3600.0):
        true += more
        clock.look()
        clock.look()
    assert [parse(line).fields["seconds"] for line in lines] == ["1.100", "-3600.000"]


def test_R7_no_lease_has_a_number_that_a_scheduler_before_gave_though_the_clock_is_set_back(
    tmp_path, monkeypatch
):
    path, said = tmp_path / "leases", []
    given = []
    for day in (20, 21, 3, 3, 2, 30, 29):
        monkeypatch.setattr(time, "time_ns", lambda day=day: day * 86_400 * 10**9)
        given.append(first_lease(path, said.append))
    assert all(later - earlier >= 1 << 36 for earlier, later in itertools.pairwise(given))
    assert given[-1] < 1 << 63 and not said


@pytest.mark.parametrize("content", ["", "nonsense", "-5", "1" * 30, "é"])
def test_R7_a_file_of_lease_numbers_that_cannot_be_read_is_written_anew(tmp_path, content):
    path = tmp_path / "leases"
    path.write_text(content)
    before = time.time_ns()
    assert before <= first_lease(path, pytest.fail) <= time.time_ns()
    assert before <= int(path.read_text())


def test_R7_lease_numbers_that_cannot_be_recorded_are_said(tmp_path):
    said = []
    assert first_lease(tmp_path / "nowhere" / "leases", said.append) > 0
    assert re.search("cannot be recorded in .*nowhere", said[0])


def test_the_stand_in_for_a_clock_works(wrong):
    wrong.set(-30 * HOUR)
    code = "import time; print(time.time())"
    path = f"{wrong.folder / 'site'}:{SOURCE}"
    seen = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    ).stdout
    assert float(seen) < time.time() - 29 * HOUR
