"""That nobody comes too often is seen in random runs: each rule, broken on purpose, is found (R11)."""

from __future__ import annotations

import pytest
from kubefuture.core.settings import STICKY_SECONDS
from kubefuture.machine import assign
from kubefuture.machine.sessions import SessionState
from kubefuture.protocol.messages import Lease, ReplaceSlot, Run

from tests.runtime.driver import Driver
from tests.runtime.turns import watch_turns


def work(driver: Driver, worker: int, elements: int) -> None:
    """One element after the other, a second each."""
    ahead: list[Lease] = []
    for _ in range(elements):
        driver.tick(1.0)
        sent = driver.take(worker, Run, ReplaceSlot)
        if any(isinstance(message, ReplaceSlot) for message in sent):
            driver.ready(worker, 0)
            sent += driver.take(worker, Run)
        ahead += [lease for run in sent if isinstance(run, Run) for lease in run.leases]
        driver.done(worker, ahead.pop(0), seconds=1.0)


def two_maps() -> None:
    driver = Driver()
    worker, client = driver.worker(1), driver.client()
    for call in (1, 2):
        driver.map(client, call, 20, chunk_size=1)
    driver.tasks(client, 3)
    work(driver, worker, 8)


def two_sessions() -> None:
    driver = Driver()
    worker, first, second = driver.worker(1), driver.client("first"), driver.client("second")
    for client in (first, second):
        driver.map(client, 1, 100, chunk_size=1)
    work(driver, worker, int(STICKY_SECONDS) + 8)


def last_comes_first(session, lacking=(), *, named=True):
    for queue in (session._maps, session._tasks):
        if queue:
            call = queue.pop()
            call.queued = False
            return call
    return None


def keeps(waiting, slot, now):
    return slot.session or max(waiting, key=lambda session: session.hello.identity)


@pytest.mark.parametrize("play", [two_maps, two_sessions])
def test_what_the_rules_do_is_fair(monkeypatch, play):
    turns = watch_turns(monkeypatch)
    play()
    assert turns.leases > 5 and turns.chosen + turns.bound > 0


@pytest.mark.parametrize(
    ("play", "place", "name", "broken", "found"),
    [
        (two_maps, SessionState, "next_call", last_comes_first, "R11: (no map has two turns|single futures)"),
        (two_sessions, assign, "_session_for", keeps, "R11: a slot whose ten seconds are over"),
    ],
)
def test_what_is_unfair_is_found(monkeypatch, play, place, name, broken, found):
    watch_turns(monkeypatch)
    monkeypatch.setattr(place, name, broken)
    with pytest.raises(AssertionError, match=found):
        play()
