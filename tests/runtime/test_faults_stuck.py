"""A slot that is stuck in compiled code and holds the interpreter: cancel and task_timeout reach it (R21, R22)."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path

import kubefuture as kf
import pytest

from tests.faults.changed import Changed
from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually


def ways() -> list[Callable[[], object]]:
    """Calls that do not end. They travel without this module, whose import would take a part of their time."""

    def a_lock() -> None:  # it waits for itself, and no signal ends that but SIGKILL
        library, lock = ctypes.PyDLL(None), (ctypes.c_byte * 256)()
        library.pthread_mutex_lock(lock)
        library.pthread_mutex_lock(lock)

    def a_pattern() -> None:
        re.match(r"(a+)+$", "a" * 64 + "b")

    def a_power() -> None:
        pow(3, 1 << 31)

    return [a_lock, a_pattern, a_power]


STUCK = ways()


def sleeps(pid: int) -> bool:
    """Whether a process waits for something, rather than runs."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("stuck", STUCK, ids=lambda stuck: stuck.__name__)
def test_R21_an_element_that_is_stuck_in_compiled_code_can_be_cancelled(on_cluster, checkpoint, stuck):
    port = checkpoint.port
    future = kf.future(lambda: (reach(port), stuck()))
    behind = [kf.future(abs, -number) for number in range(20)]
    visit = checkpoint.next()
    visit.go()
    visit.left()
    if stuck is STUCK[0] and sys.platform == "linux":
        eventually(lambda: sleeps(visit.pid), "that it waits for the lock")  # SIGINT before would end it
    assert future.cancel() and future.cancelled()
    assert kf.value(behind) == list(range(20))
    eventually(
        lambda: [worker.busy for worker in on_cluster.status().workers] == [0], "the end of the element"
    )
    assert kf.map(abs, [-1, -2, -3]) == [1, 2, 3] and len(on_cluster.slots()) == 2
    if stuck is STUCK[0]:
        assert "after it was interrupted" in on_cluster.worker.text(), (
            "it is not mistaken for the kernel's doing"
        )


ONLY_ONE_IS_TIMED = """
from kubefuture.worker.limits import Stopwatch

def look(self, lease, index, function, now, real=Stopwatch.look):
    return real(self, lease, index, function, now if index == 1 else 0.0)

Stopwatch.look = look
"""


@pytest.fixture
def timing():
    """A cluster where time passes for element 1 alone: on a busy machine the others might take too long, too."""
    with (
        Changed(ONLY_ONE_IS_TIMED, ("worker",)) as cluster,
        kf.plan("cluster", connection=cluster.connection),
    ):
        yield cluster


@pytest.mark.parametrize("stuck", STUCK, ids=lambda stuck: stuck.__name__)
def test_R22_an_element_that_is_stuck_in_compiled_code_ends_after_its_time(timing, stuck):
    limited = kf.options(task_timeout=1.5, on_error="return", chunk_size=3)
    before, error, after = limited.map(lambda index: stuck() if index == 1 else index, range(3))
    assert (before, after) == (0, 2)
    assert isinstance(error, TimeoutError) and "Element 1 ran longer than task_timeout=1.5 s" in str(error)
    (line,) = [line for line in timing.scheduler.text().splitlines() if " element-failed " in line]
    assert "session=" in line and "element=1" in line and 'reason="timed out"' in line
