"""Scheduler and worker as the keeper starts them: they say that they are up or why not, and they end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from kubefuture.client.control import fetch_status, set_scale
from kubefuture.core.connection import Connection
from kubefuture.errors import NoAnswerError

from tests import needs
from tests.faults import processes
from tests.faults.programs import Cluster, environment
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture
def stopped():
    """A cluster of which nothing runs yet."""
    cluster = Cluster(1)
    yield cluster
    cluster.close()


def refusal(cluster: Cluster, role: str) -> str:
    """What a program says that cannot start."""
    program = cluster.program(role)
    setattr(cluster, role, program)
    said = program.answer()
    assert program.process.wait(LIMIT) == 1
    assert said.startswith("error ")
    assert said.removeprefix("error ") in " ".join(program.text().split()), "the log says it too"
    return said


def test_a_second_scheduler_says_that_the_socket_is_taken_and_the_first_goes_on(stopped):
    stopped.start_scheduler()
    first = stopped.scheduler
    assert "Somebody already listens at" in refusal(stopped, "scheduler")
    assert stopped.status().scheduler_pid == first.pid
    first.close()


@pytest.mark.parametrize("role", ["scheduler", "worker"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda cluster: cluster.slots_file.write_text("two\n"), "number of slots cannot be read"),
        (lambda cluster: cluster.slots_file.unlink(), "number of slots cannot be read"),
        (lambda cluster: cluster.connection.unlink(), "connection.json does not exist"),
        (lambda cluster: cluster.connection.chmod(0o644), "can be read by others"),
        (lambda cluster: cluster.connection.write_text("{"), "is damaged"),
    ],
    ids=["a slots file with words", "no slots file", "no connection file", "a public one", "a damaged one"],
)
def test_a_program_that_cannot_start_says_why(stopped, role, damage, reason):
    damage(stopped)
    said = refusal(stopped, role)
    assert reason in said and "make up" in said


@pytest.mark.parametrize("path", ["no/such/folder/s", "x" * 120], ids=["no folder", "too long"])
def test_a_socket_that_cannot_be_made_is_named(stopped, path):
    Connection("test", "local", f"unix:{stopped.folder / path}", "ab" * 32).save(stopped.connection)
    said = refusal(stopped, "scheduler")
    assert path in said


def test_the_socket_is_the_users_own(stopped):
    stopped.start_scheduler()
    assert stopped.socket.stat().st_mode & 0o777 == 0o600


def test_a_socket_that_a_killed_scheduler_left_is_taken_over(stopped):
    stopped.start_scheduler()
    stopped.kill_scheduler()
    assert stopped.socket.exists()
    stopped.start_scheduler()
    assert stopped.status().scheduler_pid == stopped.scheduler.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end_leaves_nothing(cluster, number):
    slots = cluster.slots()
    assert cluster.worker.kill(number) == 0
    assert cluster.scheduler.kill(number) == 0
    assert not cluster.socket.exists()
    eventually(lambda: not any(map(processes.is_alive, slots)), "the slots' end")


def test_the_keepers_death_ends_both(cluster):
    """The lifeline's other end is gone, even if the keeper was killed."""
    slots = cluster.slots()
    assert cluster.worker.cut_lifeline() == 0
    assert cluster.scheduler.cut_lifeline() == 0
    assert not cluster.socket.exists()
    eventually(lambda: not any(map(processes.is_alive, slots)), "the slots' end")


def test_a_killed_supervisor_takes_its_slots_along(cluster):
    slots = cluster.slots()
    assert len(slots) == 2
    cluster.worker.kill()
    eventually(lambda: not any(map(processes.is_alive, slots)), "the slots' end")


def test_a_worker_waits_for_its_scheduler(stopped):
    worker = stopped.worker = stopped.program("worker")
    eventually(stopped.slots, "a slot that starts before there is a scheduler")
    stopped.start_scheduler()
    assert worker.answer() == "ready"
    assert stopped.status().workers[0].pid == worker.pid


def test_a_worker_whose_token_is_not_the_schedulers_says_so(stopped):
    stopped.start_scheduler()
    original = Connection.load(stopped.connection)
    Connection("test", "local", original.address, "00" * 32).save(stopped.connection)
    stopped.worker = stopped.program("worker")
    assert "does not accept the token" in stopped.worker.answer()
    assert stopped.worker.process.wait(LIMIT) == 1


def test_a_worker_without_slots_is_ready_at_once(stopped):
    stopped.slots_file.write_text("0\n")
    stopped.start()
    assert stopped.status().workers[0].slots == 0


def test_status_says_what_there_is(cluster):
    status = cluster.status()
    assert status.scheduler_pid == cluster.scheduler.pid and status.wanted_slots == 2
    (worker,) = status.workers
    assert (worker.pid, worker.slots, worker.busy) == (cluster.worker.pid, 2, 0)
    assert (status.queued, status.running, status.done, status.sessions) == (0, 0, 0, 0)
    assert status.uptime_s > 0 and worker.connected_s > 0 and status.python.startswith("3.")


def test_scaling_returns_when_the_slots_are_there_and_is_remembered(cluster):
    status = set_scale(Connection.load(cluster.connection), 3)
    assert status.wanted_slots == 3 == status.workers[0].slots == len(cluster.slots())
    assert cluster.slots_file.read_text() == "3\n"
    cluster.kill_scheduler()
    cluster.start_scheduler()
    eventually(lambda: sum(worker.slots for worker in cluster.status().workers) == 3, "three slots again")


def test_an_order_counts_even_if_it_is_the_one_before(cluster):
    """Somebody else may have changed the number since, as `kubectl scale` does."""
    cluster.slots_file.write_text("7\n")
    assert set_scale(Connection.load(cluster.connection), 2).wanted_slots == 2
    assert cluster.slots_file.read_text() == "2\n"


def test_a_scheduler_that_cannot_remember_the_number_scales_all_the_same(cluster):
    cluster.slots_file.unlink()
    cluster.slots_file.mkdir()
    assert set_scale(Connection.load(cluster.connection), 3).wanted_slots == 3
    assert "cannot be recorded" in cluster.scheduler.text()


def test_a_scheduler_that_is_gone_is_an_error_that_names_make_up(cluster):
    cluster.kill_scheduler()
    connection = Connection.load(cluster.connection)
    with pytest.raises(NoAnswerError, match="make up"):
        fetch_status(connection)
    with pytest.raises(NoAnswerError, match="make up"):
        set_scale(connection, 3)


def test_what_cannot_be_logged_holds_nothing_up():
    """As on a full disk, where the log is."""
    if sys.platform != "linux":
        needs.missing("/dev/full (Linux)")
    with open("/dev/full", "w") as full:
        code = "from kubefuture.core.program import log; log('one'); log('two'); print('goes on', flush=True)"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, stderr=full, text=True
        )
    assert done.stdout == "goes on\n"
