"""The machine: who gets what, and how much of it at once (R3, R11, R13, R14)."""

from __future__ import annotations

from collections import Counter

from kubefuture.core.settings import CHUNK_SECONDS, MAX_CREDITS, STICKY_SECONDS
from kubefuture.protocol.messages import (
    Bind,
    Blob,
    Done,
    Elements,
    Function,
    Open,
    Part,
    Raised,
    ReplaceSlot,
    Results,
    Returned,
    Revoke,
    Run,
)  # fmt: skip

from tests.runtime.driver import Driver, bring_up


def test_a_slot_is_bound_and_gets_the_function_before_its_first_lease():
    driver, worker, client = bring_up()
    driver.tasks(client, 5)
    bind, run = driver.take(worker)
    assert isinstance(bind, Bind) and (bind.folder, bind.sys_path) == ("/work", ("/code",))
    assert isinstance(run, Run) and [function.payload for function in run.functions] == [b"client"]
    driver.done(worker, run.leases[0])
    driver.tasks(client, 6)
    (run,) = driver.take(worker)
    assert run.functions == [], "a function is sent to a slot once"


def test_every_slot_has_one_lease_before_any_has_two():
    driver, worker, client = bring_up(3)
    driver.tasks(client, *range(10, 13))
    assert sorted(slot for slot, _ in driver.leases(worker)) == [0, 1, 2]


def test_of_idle_slots_the_one_that_worked_last_is_asked_first():
    driver, worker, client = bring_up(3)
    driver.tasks(client, 10, 11, 12)
    leases = dict(driver.leases(worker))
    for slot in (2, 0, 1):
        driver.done(worker, leases[slot])
    for task in range(13, 20):
        driver.tasks(client, task)
        ((slot, lease),) = driver.leases(worker)
        assert slot == 1
        driver.done(worker, lease)


def test_R14_the_first_chunk_is_one_element_and_later_ones_fit_what_was_measured():
    driver, worker, client = bring_up()
    driver.map(client, 1, 10_000)
    first, second = driver.leases(worker)
    assert len(first[1].payloads) == len(second[1].payloads) == 1
    driver.done(worker, first[1], seconds=0.001)
    ((_, third), *_) = driver.leases(worker)
    assert len(third.payloads) == CHUNK_SECONDS / 0.001


def test_R14_the_last_chunks_are_small_so_that_all_slots_end_together():
    driver, worker, client = bring_up(2)
    driver.map(client, 1, 20)
    lengths = []
    while leases := driver.leases(worker):
        for _, lease in leases:
            lengths.append(len(lease.payloads))
            driver.done(worker, lease, seconds=1e-6 * len(lease.payloads))
    assert sum(lengths) == 20
    assert max(lengths) <= 5 and lengths[-1] == 1


def test_a_chunk_size_is_kept_to():
    driver, worker, client = bring_up()
    driver.map(client, 1, 10, chunk_size=4)
    lengths = []
    while leases := driver.leases(worker):
        for _, lease in leases:
            lengths.append(len(lease.payloads))
            driver.done(worker, lease, seconds=0.5)
    assert lengths == [4, 4, 2]


def test_R14_a_chunk_holds_no_more_than_a_mebibyte_of_arguments():
    driver, worker, client = bring_up()
    driver.say(client, Open(1, 1, 8, 8), Elements(1, [bytes(400 << 10)] * 8, last=True))
    while leases := driver.leases(worker):
        for _, lease in leases:
            assert len(lease.payloads) <= 2
            driver.done(worker, lease)
    assert driver.results(client) == list(range(8))


def test_R13_short_leases_are_fetched_ahead_up_to_the_credits():
    driver, worker, client = bring_up(round_trip=1.0)
    driver.tasks(client, *range(100, 200))
    leases = driver.leases(worker)
    assert len(leases) == 2, "one runs, one is ahead, while nothing is known"
    driver.done(worker, leases[0][1], seconds=0.001)
    assert len(leases) - 1 + len(driver.leases(worker)) == MAX_CREDITS


def test_R11_a_future_goes_before_the_next_chunk_and_maps_take_turns():
    driver, worker, client = bring_up(ahead=0)
    driver.map(client, 1, 4, chunk_size=1)
    driver.map(client, 2, 4, chunk_size=1)
    driver.tasks(client, 3)
    order = []
    while leases := driver.leases(worker):
        for _, lease in leases:
            driver.done(worker, lease, seconds=1.0)
            (answer,) = driver.take(client, Results)
            order.append(answer.spans[0].call)
    assert order == [1, 3, 1, 2, 1, 2, 1, 2, 2]


def test_sessions_share_slots_by_the_time_that_they_used():
    """R11: who has used least is served next, once a slot has been with a session for a while (R3)."""
    driver = Driver(ahead=0)
    worker, greedy = driver.worker(2), driver.client("greedy")
    driver.map(greedy, 1, 1000, chunk_size=1)
    leases = driver.leases(worker)
    late = driver.client("late")
    driver.map(late, 1, 1000, chunk_size=1)
    driver.now += STICKY_SECONDS / 2
    driver.done(worker, leases[0][1], seconds=5.0)
    leases[0:1] = driver.leases(worker)
    assert {slot for slot, _ in leases} == {0, 1}, "both stay with their session at first"
    driver.now += STICKY_SECONDS
    first = [lease for slot, lease in leases if slot == 0]
    for lease in first:
        driver.done(worker, lease, seconds=10.0)
    (replaced,) = driver.take(worker)
    assert replaced == ReplaceSlot(0, replaced.pid), "a slot that is due gets nothing more from its session"
    driver.ready(worker, 0)
    bind, run = driver.take(worker)
    assert bind.session == "late" and run.slot == 0
    for _ in range(5):
        driver.now += STICKY_SECONDS
        driver.done(worker, run.leases[0], seconds=10.0)
        run = driver.take(worker)[-1]
        assert isinstance(run, Run) and run.slot == 0, "each keeps one of two"


def others_idle(seconds):
    """A session has one lease running and one ahead in each of two slots; two others idle for a session without work.

    Args:
        seconds: How long an element takes.
    """
    driver, worker, client = bring_up(4)
    other = driver.client("other")
    driver.tasks(client, 1, 2)
    without_more = driver.leases(worker)
    driver.tasks(other, 10, 11)
    for _, lease in driver.leases(worker):
        driver.done(worker, lease, seconds=seconds)
    driver.tasks(other, 20, 21, 22, 23)
    assert sorted(Counter(slot for slot, _ in driver.leases(worker)).values()) == [2, 2]
    for _, lease in without_more:
        driver.done(worker, lease, seconds=seconds)
    return driver, worker


def test_R13_slots_that_idle_for_a_session_without_work_take_what_another_one_has_ahead():
    driver, worker = others_idle(5.0)
    driver.tick()
    assert not driver.take(worker, ReplaceSlot), "it may be between two calls"
    for _ in range(20):
        driver.tick()
        messages = driver.take(worker)
        for message in messages:
            if isinstance(message, ReplaceSlot):
                driver.ready(worker, message.slot)
            elif isinstance(message, Revoke):
                driver.say(worker, Returned(message.slot, message.leases))
    leases = driver.machine._state.leases.values()
    assert len(leases) == len({lease.slot for lease in leases}) == 4, "each runs one"


def test_R3_slots_stay_with_a_session_without_work_while_what_others_have_ahead_is_soon_done():
    driver, worker = others_idle(0.1)
    for _ in range(10):
        driver.tick()
    assert not driver.take(worker, ReplaceSlot, Revoke)


def test_R11_a_session_that_wanted_nothing_while_another_worked_does_not_take_that_time_back():
    driver = Driver(ahead=0)
    worker, idle, busy = driver.worker(1), driver.client("idle"), driver.client("busy")
    driver.tasks(idle, 1)
    driver.done(worker, driver.lease(worker), seconds=0.001)
    driver.map(busy, 1, 20_000, chunk_size=1)
    used = {"idle": 0, "busy": 0}

    def work(seconds):
        """The only slot runs elements of a second, whoever they are of."""
        for _ in range(seconds):
            driver.now += 1.0
            for message in driver.take(worker):
                if isinstance(message, ReplaceSlot):
                    driver.ready(worker, message.slot)
            for lease in list(driver.machine._state.leases.values()):
                used[lease.session.hello.identity] += 1
                driver.say(worker, Done([Part(lease.id, lease.position, [b"x"], 1.0, True)]))

    work(5000)
    assert used["busy"] > 4900
    late = driver.client("late")
    for client in (idle, late):
        driver.map(client, 2, 10_000, chunk_size=1)
    used |= dict.fromkeys(("idle", "busy"), 0) | {"late": 0}
    work(600)
    assert max(used.values()) - min(used.values()) <= 3 * STICKY_SECONDS, used


def test_R11_time_that_ended_in_an_error_counts():
    driver = Driver(ahead=0)
    worker, failing, other = driver.worker(1), driver.client("failing"), driver.client("other")
    driver.map(failing, 1, 10, chunk_size=1)
    lease = driver.lease(worker)
    driver.map(other, 1, 10, chunk_size=1)
    driver.now += STICKY_SECONDS
    driver.say(worker, Raised(lease.id, lease.start, b"error", STICKY_SECONDS, True))
    (replaced,) = driver.take(worker)
    assert isinstance(replaced, ReplaceSlot), "the other one's turn has come"


def test_R3_a_session_with_nothing_queued_gives_its_slots_up_at_once():
    driver = Driver()
    worker, first, second = driver.worker(1), driver.client("first"), driver.client("second")
    driver.tasks(first, 1)
    lease = driver.lease(worker)
    driver.done(worker, lease)
    driver.tasks(second, 1)
    (replaced,) = driver.take(worker)
    assert isinstance(replaced, ReplaceSlot)
    driver.ready(worker, 0)
    bind, _run = driver.take(worker)
    assert bind.session == "second"


def test_R13_work_that_has_not_started_is_taken_back_for_a_slot_with_nothing_to_do():
    driver, worker, client = bring_up(2)
    driver.tasks(client, 10, 11, 12, 13)
    by_slot = {0: [], 1: []}
    for slot, lease in driver.leases(worker):
        by_slot[slot].append(lease)
    assert [len(leases) for leases in by_slot.values()] == [2, 2]
    for lease in by_slot[0]:
        driver.done(worker, lease, seconds=1.0)
    (revoke,) = driver.take(worker, Revoke)
    assert (revoke.slot, revoke.leases) == (1, (by_slot[1][1].id,))
    driver.say(worker, Returned(1, revoke.leases))
    ((slot, moved),) = driver.leases(worker)
    assert slot == 0
    driver.done(worker, moved)
    driver.done(worker, by_slot[1][0])
    assert len(driver.results(client)) == 4


def test_work_behind_an_element_that_takes_longer_than_any_before_is_moved_in_time():
    driver, worker, client = bring_up(2)
    driver.tasks(client, 1)
    lease = driver.lease(worker)
    driver.done(worker, lease, seconds=1e-6)
    driver.tasks(client, 10, 11, 12)
    crowded, other = {}, None
    for slot, lease in driver.leases(worker):
        crowded.setdefault(slot, []).append(lease)
    other = next(slot for slot, leases in crowded.items() if len(leases) == 1)
    driver.done(worker, crowded[other][0], seconds=1e-6)
    assert driver.take(worker, Revoke) == [], "so little is not worth a message"
    driver.tick()
    (revoke,) = driver.take(worker, Revoke)
    assert revoke.slot != other


def test_R13_what_was_started_meanwhile_stays_where_it_is():
    driver, worker, client = bring_up(2)
    driver.tasks(client, 10, 11, 12)
    leases = driver.leases(worker)
    crowded = next(slot for slot in (0, 1) if sum(one == slot for one, _ in leases) == 2)
    driver.done(worker, next(lease for slot, lease in leases if slot != crowded), seconds=1.0)
    (revoke,) = driver.take(worker, Revoke)
    driver.say(worker, Returned(revoke.slot, ()))
    driver.tick()
    assert driver.take(worker) == [], "the answer is final, and is not asked for again at once"


def test_R11_data_on_a_slow_way_keeps_no_slot_from_another_map_of_the_same_client():
    driver, worker, client = bring_up(2, ahead=0)
    slow = bytes(32)
    driver.say(client, Function(7, b"large", blobs=(Blob(slow, 1 << 30),)))
    driver.say(client, Open(1, 7, 8, 1), Elements(1, [b"%d" % index for index in range(8)], last=True))
    waiting = driver.leases(worker)
    assert {slot for slot, _ in waiting} == {0, 1}
    driver.lack(slow=[slow])
    assert driver.take(worker, Revoke) == [], "nobody else wants the slots"
    driver.map(client, 2, 2, chunk_size=1)
    assert driver.leases(worker) == []
    driver.lack(slow=[slow])
    revoked = {lease for message in driver.take(worker, Revoke) for lease in message.leases}
    assert revoked == {lease.id for _, lease in waiting}
    for slot, lease in waiting:
        driver.say(worker, Returned(slot, (lease.id,)))
    others = driver.leases(worker)
    assert {slot for slot, _ in others} == {0, 1}
    for _, lease in others:
        assert len(lease.payloads) == 1
        driver.done(worker, lease)
    assert driver.results(client) == [0, 1]
    assert driver.leases(worker) == []
    driver.lack()
    assert {lease.payloads[0] for _, lease in driver.leases(worker)} <= {b"%d" % index for index in range(8)}
