"""n_workers and scale: how many elements run at the same time."""

from __future__ import annotations

import kubefuture as kf
import pytest
from kubefuture.errors import PlanError

from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually


def run_at_once(checkpoint, number):
    """Shows that so many elements run at the same time, and no more."""
    futures = [kf.future(reach, checkpoint.port) for _ in range(number + 1)]
    visits = checkpoint.take(number)
    assert len({visit.pid for visit in visits}) == number
    for visit in visits:
        visit.go()
    checkpoint.next().go()
    kf.value(futures)


def test_the_number_of_workers_is_known(plan):
    assert kf.n_workers() == (1 if plan.kind == "sequential" else 2)


def test_workers_are_free_until_this_program_has_work_for_them(pool, checkpoint):
    assert kf.n_free_workers() == 2
    futures = [kf.future(reach, checkpoint.port)]
    assert kf.n_free_workers() == 1
    futures += [kf.future(reach, checkpoint.port) for _ in range(2)]
    assert kf.n_free_workers() == 0
    for _ in futures:
        checkpoint.next().go()
    kf.value(futures)
    assert kf.n_free_workers() == 2


def test_workers_are_free_after_a_map_whatever_became_of_it(plan):
    free = kf.n_workers()
    kf.map(abs, range(10))
    assert kf.n_free_workers() == free
    with pytest.raises(ZeroDivisionError):
        kf.map(lambda x: 1 // x, range(10))
    assert kf.n_free_workers() == free
    results = kf.imap(abs, range(100_000))
    next(results)
    results.close()
    assert kf.n_free_workers() == free


def test_the_sequential_plan_cannot_be_scaled(plan):
    if plan.kind == "sequential":
        with pytest.raises(PlanError, match="no workers to scale"):
            kf.scale(2)


@pytest.mark.parametrize("number", [-1, 1.5, True, "2", None])
def test_a_number_that_cannot_be_is_refused(pool, number):
    with pytest.raises(PlanError, match="whole number"):
        kf.scale(number)
    assert kf.n_workers() == 2


def test_scaling_up_returns_when_the_workers_are_there(pool, checkpoint):
    kf.scale(4)
    assert kf.n_workers() == 4 and len(pool.slots()) == 4
    run_at_once(checkpoint, 4)


def test_scaling_down_ends_what_is_idle(pool, checkpoint):
    kf.scale(1)
    assert kf.n_workers() == 1
    eventually(lambda: len(pool.slots()) == 1, "the end of the other slot")
    run_at_once(checkpoint, 1)


def test_scaling_down_lets_what_runs_finish(pool, checkpoint):
    """R17: nothing is interrupted, what had not started runs on the slots that stay."""
    futures = [kf.future(reach, checkpoint.port, number) for number in range(6)]
    running = checkpoint.take(2)
    kf.scale(1)
    assert len(pool.slots()) == 2
    for visit in running:
        visit.go("finished")
    for _ in range(4):
        checkpoint.next().go("later")
    assert sorted(kf.value(futures)) == ["finished"] * 2 + ["later"] * 4
    eventually(lambda: len(pool.slots()) == 1, "the end of the slot that drained")


def test_a_slot_that_dies_while_it_drains_is_not_started_again(pool, checkpoint):
    futures = [kf.future(reach, checkpoint.port, number) for number in range(2)]
    running = checkpoint.take(2)
    kf.scale(1)
    for visit in running:
        visit.kill()
    for _ in range(2):
        checkpoint.next().go("again")
    assert kf.value(futures) == ["again"] * 2
    eventually(lambda: len(pool.slots()) == kf.n_workers() == 1, "one slot, and one only")


def test_a_cluster_can_be_scaled_to_nothing_and_keeps_its_work(pool):
    if pool.kind == "local":
        with pytest.raises(PlanError, match="at least one"):
            kf.scale(0)
        return
    kf.scale(0)
    assert kf.n_workers() == 0
    future = kf.future(abs, -1)
    kf.scale(1)
    assert future.result() == 1


def test_there_is_at_least_one_core():
    assert kf.available_cores() >= 1
