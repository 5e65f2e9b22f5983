"""Elements that ran when their worker was killed: the last strike counts only against one that ran alone (R19)."""

from __future__ import annotations

import pytest
from kubefuture.core.settings import LOSSES, STRIKES
from kubefuture.machine.trials import PATIENCE_SECONDS
from kubefuture.protocol.messages import Cancel, Failure, Held, Predecessor, ReplaceSlot, Struck
from kubefuture.protocol.poison import decode_report

from tests.runtime.consistency import check_machine
from tests.runtime.driver import Driver

CALL = 5


class Container(Driver):
    """A machine with workers that are killed as a whole."""

    def start(self, slots=2, struck=()):
        """A worker is started where one was killed that was on these elements of the map."""
        worker = self.join("worker", f"worker-{self.now}-{len(self.sent)}", slots)
        self.take(worker)
        if struck:
            told = [
                Struck(slot, Held(lease.id, "client", CALL, 1, lease.start, lease.start + 1), index, "killed")
                for slot, (lease, index) in enumerate(struck)
            ]
            self.say(worker, Predecessor(told))
        for slot in range(slots):
            self.ready(worker, slot)
        return worker

    def kill(self, worker, leases, slots=2):
        """All of it dies, and the next one tells."""
        self.leave(worker)
        return self.start(slots, [(lease, lease.start) for lease in leases])

    def say(self, peer, *messages):
        super().say(peer, *messages)
        check_machine(self.machine)

    def given(self, worker):
        """The elements that a worker was given, with their leases."""
        return {lease.start: lease for _, lease in self.leases(worker)}

    def failures(self, client):
        """Who was given up, and after how many deaths."""
        return {
            failure.index: decode_report(failure.payload).deaths for failure in self.take(client, Failure)
        }


def under_suspicion(slots=2, others=0):
    """Two elements have died together twice, the first of a map."""
    driver = Container()
    client = driver.client()
    driver.map(client, CALL, 2 + others, chunk_size=1)
    worker = driver.start(slots)
    for _ in range(STRIKES - 1):
        given = driver.given(worker)
        worker = driver.kill(worker, [given[0], given[1]], slots)
    assert driver.failures(client) == {}
    return driver, client, worker


def test_R19_after_the_second_death_together_they_run_one_after_the_other():
    driver, client, worker = under_suspicion()
    first = driver.given(worker)
    assert list(first) == [0]
    driver.tick()
    assert driver.given(worker) == {}
    driver.done(worker, first[0])
    assert list(driver.given(worker)) == [1]
    assert driver.results(client) == [0]


def test_R19_the_one_that_kills_its_worker_alone_is_poison_and_the_other_is_not():
    driver, client, worker = under_suspicion()
    worker = driver.kill(worker, [driver.given(worker)[0]])
    assert driver.failures(client) == {0: 3}
    given = driver.given(worker)
    assert list(given) == [1]
    driver.done(worker, given[1])
    assert driver.results(client) == [1]


def test_nothing_else_runs_on_that_worker_and_all_of_it_when_the_trial_is_over():
    driver, client, worker = under_suspicion()
    first = driver.given(worker)
    driver.map(client, 9, 4, chunk_size=1)
    assert driver.given(worker) == {}
    other = driver.start()
    assert len(driver.given(other)) >= 2, "another worker goes on"
    driver.done(worker, first[0])
    trial = driver.given(worker)
    assert list(trial) == [1]
    driver.done(worker, trial[1])
    driver.tick()
    driver.say(client, *())
    driver.map(client, 10, 8, chunk_size=1)
    assert driver.given(worker), "it is as the others again"


def test_R19_a_loss_that_turns_out_to_be_a_strike_counts_as_that_only():
    driver = Container()
    client = driver.client()
    driver.map(client, CALL, 1, chunk_size=1)
    worker = driver.start(1)
    for loss in range(LOSSES - 1):
        given = driver.given(worker)
        if loss == 0:
            worker = driver.kill(worker, [given[0]], 1)
        else:
            driver.leave(worker)
            worker = driver.start(1)
    driver.leave(worker)
    worker = driver.start(1)
    assert driver.failures(client) == {}
    assert list(driver.given(worker)) == [0]


def test_R19_siblings_go_first_and_the_trial_waits_for_them_but_not_for_ever():
    driver, _, worker = under_suspicion(others=20)
    ran = driver.given(worker)
    assert len(ran) >= 2 and not {0, 1} & set(ran)
    driver.tick(PATIENCE_SECONDS + 1)
    for index, lease in list(ran.items()):
        assert not {0, 1} & set(driver.given(worker)), f"before {index} has ended"
        driver.done(worker, lease)
    given = driver.given(worker)
    assert list(given) == [0]


def test_one_that_runs_elsewhere_when_it_is_told_of_is_not_given_up_for_a_death_in_company():
    driver = Container()
    client = driver.client()
    driver.map(client, CALL, 2, chunk_size=1)
    first, second = driver.start(), driver.start()
    for _ in range(STRIKES + 2):
        given = {**driver.given(first), **driver.given(second)}
        holder = first if driver.machine._state.workers[first].slots[0].leases else second
        if len(given) < 2:
            break
        if holder is first:
            first = driver.kill(first, given.values())
        else:
            second = driver.kill(second, given.values())
    assert driver.failures(client) == {}


@pytest.mark.parametrize("end", ["cancel", "leave", "settle"])
def test_a_suspect_that_nobody_wants_any_more_is_forgotten(end):
    driver, client, worker = under_suspicion(others=1)
    if end != "settle":
        for lease in driver.given(worker).values():  # the one that is no suspect
            driver.done(worker, lease)
        (trial,) = driver.given(worker).values()
        if end == "cancel":
            driver.say(client, Cancel((CALL,)))
        else:
            driver.leave(client)
        driver.raised(worker, trial, trial.start, interrupted=True)
    else:
        for _ in range(4):
            for lease in driver.given(worker).values():
                driver.done(worker, lease)
    driver.tick()
    driver.tick()
    assert driver.machine._state.reserved is None and driver.machine._trials._suspects == []


def test_a_trial_whose_worker_is_lost_begins_again_elsewhere():
    driver, _, worker = under_suspicion()
    assert list(driver.given(worker)) == [0]
    other = driver.start()
    driver.leave(worker)
    driver.tick()
    given = driver.given(other)
    assert list(given) == [0]
    driver.done(other, given[0])
    assert list(driver.given(other)) == [1]


def test_a_slot_that_another_session_had_is_replaced_for_the_trial():
    driver = Container()
    client, other = driver.client(), driver.client("other")
    worker = driver.start(1)
    driver.tasks(other, 1)
    ((_, task),) = driver.leases(worker)
    driver.map(client, CALL, 1, chunk_size=1)
    call = driver.machine._state.sessions["client"].calls[CALL]
    call.take(1, 1)
    call.give_back(0, 1)
    driver.machine._trials.put_aside(driver.machine._state.sessions["client"], call, 0, driver.now)
    driver.tick()
    driver.done(worker, task)
    (replaced,) = driver.take(worker, ReplaceSlot)
    driver.ready(worker, replaced.slot)
    driver.tick()
    assert list(driver.given(worker)) == [0]
