"""A container that is killed as a whole: the worker that is started in its place says what ran (R19, R20)."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.errors import PoisonError
from kubefuture.protocol.messages import Lease
from kubefuture.worker import remains
from kubefuture.worker.remains import Remains

from tests.faults import processes
from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
from tests.faults.recorded import recorded
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture
def container():
    """A scheduler, and a worker with two slots that has a state folder, as the plan."""
    with Container() as started, kf.plan("sequential"):
        kf.plan("cluster", connection=started.connection)
        yield started


class Container(Cluster):
    """A worker that is killed as a whole, and started again in the same place."""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def begin_worker(self):
        self.worker = self.program("worker", "--state", str(self.state), "--place", "here")

    def start_worker(self):
        self.begin_worker()
        assert self.worker.answer() == "ready", self.worker.text()

    def kill_all(self):
        """Supervisor and slots at once: none of them sees another's end."""
        slots = self.slots()
        os.kill(self.worker.pid, signal.SIGSTOP)
        status = Path(f"/proc/{self.worker.pid}/task")
        eventually(
            lambda: all(" T " in (one / "stat").read_text() for one in status.iterdir()), "its standstill"
        )
        for slot in slots:
            os.kill(slot, signal.SIGKILL)
        self.worker.kill()
        eventually(lambda: not any(map(processes.is_alive, slots)), "the slots' end")

    def said(self, event):
        """The lines about an event in the scheduler's log."""
        return [line for line in self.scheduler.text().splitlines() if f" {event} " in line]


def test_R19_an_element_that_takes_its_whole_container_along_is_poison_the_third_time(container, checkpoint):
    port = checkpoint.port

    def element(index):
        return (index, reach(port) if index == 5 else "")

    outcome: list[object] = []
    call = kf.options(on_error="return", chunk_size=4)
    thread = threading.Thread(target=lambda: outcome.append(call.map(element, range(12))))
    thread.start()
    for death in range(3):
        visit = checkpoint.next()
        others = 11 if death else 9  # two of its own chunk come after it
        eventually(lambda others=others: container.status().done == others, "the end of all others")
        container.kill_all()
        visit.left()
        container.start_worker()
        eventually(lambda death=death: len(container.said("element-struck")) == death + 1, "a strike")
    thread.join(LIMIT)
    ((*before, error), after) = outcome[0][:6], outcome[0][6:]
    assert [*before, *after] == [(index, "") for index in range(12) if index != 5]
    assert isinstance(error, PoisonError) and error.index == 5 and len(error.reasons) == 3
    assert "Element 5 ended its worker process 3 times" in str(error)
    assert "killed together with its whole worker" in str(error)
    assert all("element=5 " in line for line in container.said("element-struck")), "nobody else has a strike"
    assert kf.map(abs, [-1, -2]) == [1, 2]


def test_R19_a_long_element_beside_the_culprit_is_not_given_up_with_it(container, checkpoint):
    """Which of the two it was is found out by running each of them alone."""
    port = checkpoint.port
    outcome: list[object] = []
    call = kf.options(on_error="return", chunk_size=1)
    thread = threading.Thread(
        target=lambda: outcome.append(call.map(lambda who: reach(port, who), ["bad", "long"]))
    )
    thread.start()
    for _ in range(2):
        visits = checkpoint.take(2)
        container.kill_all()
        for visit in visits:
            visit.left()
        container.start_worker()
    for _ in range(2):
        visit = checkpoint.next()
        assert container.status().running == 1, "it runs alone"
        if visit.label == "long":
            visit.go("finished")
        else:
            container.kill_all()
            visit.left()
            container.start_worker()
    thread.join(LIMIT)
    ((error, result),) = outcome
    assert isinstance(error, PoisonError) and error.index == 0 and result == "finished"


def test_R19_an_element_that_kills_its_supervisor_is_named(container):
    def element(index):
        if index == 3:
            os.kill(os.getppid(), signal.SIGKILL)
            threading.Event().wait()

    with (
        pytest.raises(PoisonError, match="Element 3 ended its worker process 3 times") as caught,
        kept(container),
    ):
        kf.map(element, range(6), chunk_size=1)
    assert caught.value.index == 3


def test_R8_strikes_of_a_named_map_count_although_the_scheduler_was_killed_too(container, checkpoint):
    port = checkpoint.port
    outcome: list[BaseException] = []

    def run():
        try:
            kf.map(lambda index: reach(port) if index == 1 else "", range(3), name="poison", chunk_size=1)
        except PoisonError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(3):
        visit = checkpoint.next()
        recorded()  # the strike before, too
        container.kill_scheduler()
        container.kill_all()
        visit.left()
        container.start_scheduler()
        container.start_worker()
    thread.join(LIMIT)
    assert outcome and outcome[0].index == 1


def test_R19_an_orderly_end_is_held_against_nobody_and_leaves_nothing(container, checkpoint):
    future = kf.future(reach, checkpoint.port)
    for _ in range(4):
        visit = checkpoint.next()
        container.worker.kill(signal.SIGTERM)
        visit.left()
        assert list(container.state.iterdir()) == []
        container.start_worker()
    checkpoint.next().go("done")
    assert future.result(LIMIT) == "done" and container.said("element-struck") == []


def test_no_file_is_left_of_slots_that_end(container):
    for _ in range(3):
        for slot in container.slots():
            processes.kill(slot)
        eventually(lambda: len(container.slots()) == 2, "fresh slots")
        kf.scale(4)
        kf.scale(2)
        eventually(lambda: len(container.slots()) == 2, "the end of those that leave")
        assert kf.map(abs, range(20)) == list(range(20))
    eventually(lambda: len(list(container.state.iterdir())) == 2, "a file for each slot")
    container.kill_all()
    assert len(list(container.state.iterdir())) == 2
    container.start_worker()
    eventually(lambda: len(list(container.state.iterdir())) == 2, "no more than that")


def test_a_damaged_file_is_ignored_with_a_line_in_the_log(container, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    container.kill_all()
    visit.left()
    for path in container.state.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    container.start_worker()
    assert container.worker.text().count("is damaged and is ignored: it has 100 bytes instead of 4096") == 2
    checkpoint.next().go("again")
    assert future.result(LIMIT) == "again" and container.said("element-struck") == []


def test_where_no_file_can_be_made_slots_run_all_the_same(tmp_path):
    with Cluster(2) as cluster, kf.plan("sequential"):
        (tmp_path / "file").write_text("")
        cluster.worker.close()
        cluster.worker = cluster.program("worker", "--state", str(tmp_path / "file" / "state"))
        assert cluster.worker.answer() == "ready"
        kf.plan("cluster", connection=cluster.connection)
        assert kf.map(abs, [-1, -2]) == [1, 2]
        assert "what it runs cannot be noted" in cluster.worker.text()


class kept:
    """A container is started again whenever it dies, as by a kubelet, while this lasts."""

    def __init__(self, container):
        self._container = container
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def _keep(self):
        while not self._over.is_set():
            if self._container.worker.process.poll() is not None:
                self._container.begin_worker()
            self._over.wait(0.02)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()


def left_behind(folder, place=(7, 12), leases=((7, 3, 10, 15),), kernel="this"):
    """The state folder of a worker that was killed while slot 4 was at a place."""
    page = Remains(folder, lambda name, **fields: None).page(4)
    page.bound("session")
    for number, call, start, stop in leases:
        page.leased(Lease(number, 1, start, [b""] * (stop - start), call), {number})
    remains.PLACE.pack_into(page._memory, 0, *place)
    page.started()


def found(folder):
    """What the next worker finds there, and what it says about it."""
    said = []
    struck = Remains(folder, lambda name, **fields: said.append(name)).take_over()
    assert list(folder.iterdir()) == []
    return [(one.slot, one.lease.id, one.lease.session, one.lease.call, one.element) for one in struck], said


def test_the_element_is_found_by_lease_and_index(tmp_path):
    left_behind(tmp_path, leases=((5, 3, 0, 10), (7, 3, 10, 15), (9, 3, 15, 20)))
    assert found(tmp_path) == ([(4, 7, "session", 3, 12)], ["predecessor-killed"])


def test_a_slot_that_ran_nothing_has_nothing_to_answer_for(tmp_path):
    left_behind(tmp_path, place=(0, -1))
    assert found(tmp_path) == ([], [])


def test_R19_a_machine_that_went_down_is_no_fault_of_an_element(tmp_path, monkeypatch):
    monkeypatch.setattr(remains, "boot", lambda: "an earlier start")
    left_behind(tmp_path)
    monkeypatch.undo()
    assert found(tmp_path) == ([], [])


@pytest.mark.parametrize("place", [(8, 12), (7, 15), (7, 9), (7, -1), (1 << 63, 12)])
def test_a_place_that_cannot_be_is_ignored(tmp_path, place):
    left_behind(tmp_path, place=place)
    assert found(tmp_path) == ([], ["state-trouble"])


@pytest.mark.parametrize("content", [b"", b"x" * 4096, b"\0" * 4096, b"x" * 5000])
def test_a_file_of_another_kind_is_ignored(tmp_path, content):
    (tmp_path / "slot-1-1").write_bytes(content)
    assert found(tmp_path) == ([], ["state-trouble"])


def test_every_byte_may_be_damaged(tmp_path):
    left_behind(tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for place in range(400):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        found(tmp_path)


def test_more_leases_than_have_room_push_out_only_those_that_are_over(tmp_path):
    page = Remains(tmp_path, lambda name, **fields: None).page(0)
    page.bound("session")
    held = {1: 1}
    page.leased(Lease(1, 1, 0, [b""], 1), held)
    for number in range(2, 500):
        held[number] = 1
        page.leased(Lease(number, 1, number, [b""], 1), held)
        del held[number]
    remains.PLACE.pack_into(page._memory, 0, 1, 0)
    assert [one[1] for one in found(tmp_path)[0]] == [1]


def test_numbers_that_do_not_fit_are_left_out(tmp_path):
    page = Remains(tmp_path, lambda name, **fields: None).page(0)
    page.bound("x" * 200)
    page.leased(Lease(1, 1 << 63, 0, [b""], 1 << 63), {1})
    assert found(tmp_path) == ([], [])
