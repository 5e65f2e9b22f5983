"""Cancelling what waits and what runs frees the slot, and the workers stay usable (R21)."""

from __future__ import annotations

import concurrent.futures as cf
import os
import signal
import threading

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan

from tests.faults.checkpoint import reach
from tests.faults.ctrl_c import pressed_at
from tests.faults.waiting import LIMIT, eventually

pytestmark = pytest.mark.usefixtures("all_slots_work")


def test_a_running_call_is_stopped(pool, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    assert future.cancel()
    visit.left()
    assert future.cancelled() and future.done()
    with pytest.raises(cf.CancelledError):
        future.result()


def test_a_call_that_waits_is_never_run(pool, checkpoint, tmp_path):
    busy = [kf.future(reach, checkpoint.port) for _ in range(2)]
    visits = checkpoint.take(2)
    waiting = kf.future((tmp_path / "ran").touch)
    last = kf.future(abs, -1)
    assert waiting.cancel()
    exchange = getattr(current_plan().backend(), "_conversation", None)
    if exchange is not None:  # a slot that ends its work at this very moment may be quicker than the wires
        eventually(lambda: not exchange.kept, "the scheduler's word that it has been told")
        eventually(lambda: pool.cluster.status().queued == 1, "the worker's word that it has taken it back")
    for visit in visits:
        visit.go()
    assert kf.value([*busy, last]) == ["", "", 1]
    assert not (tmp_path / "ran").exists()


def test_cancelling_twice_is_cancelling_once(pool, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    assert future.cancel() and future.cancel()
    visit.left()


def test_what_is_done_cannot_be_cancelled(pool):
    future = kf.future(abs, -1)
    future.result()
    assert not future.cancel() and not future.cancelled()
    assert future.result() == 1


def test_whoever_waits_for_a_cancelled_call_is_told(pool, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    called = threading.Event()
    future.add_done_callback(lambda _: called.set())
    threading.Thread(target=future.cancel).start()
    done, waiting = cf.wait([future], timeout=LIMIT)
    assert done == {future} and not waiting and called.wait(LIMIT)
    visit.left()


def test_a_call_that_does_not_listen_is_killed_and_its_slot_replaced(pool, checkpoint, patience):
    """A C call that holds the GIL, or a bare `except`: SIGINT, then SIGKILL."""
    port = checkpoint.port

    def stubborn():
        while True:
            try:
                return reach(port)
            except KeyboardInterrupt:
                continue

    future = kf.future(stubborn)
    first = checkpoint.next()
    assert future.cancel()
    first.left()
    second = checkpoint.next()
    assert second.pid == first.pid
    patience.unlink()
    second.left()
    eventually(lambda: first.pid not in pool.slots(), "its end")


def test_an_import_is_not_broken_off(pool, checkpoint, tmp_path, patience):
    """Many modules, NumPy for one, cannot be loaded a second time in a process."""
    (tmp_path / "slowly.py").write_text(
        "from tests.faults.checkpoint import reach\n"
        f"open({str(tmp_path / 'loads')!r}, 'a').write('x')\n"
        f"reach({checkpoint.port})\n"
    )

    def use(folder):
        import os
        import sys

        sys.path.append(folder)
        import slowly

        return os.getpid(), slowly.__name__

    kf.scale(1)
    future = kf.future(use, str(tmp_path))
    visit = checkpoint.next()
    assert future.cancel()
    visit.go()
    assert kf.future(use, str(tmp_path)).result() == (visit.pid, "slowly")
    assert (tmp_path / "loads").read_text() == "x"


def test_cancelling_one_leaves_the_others_that_its_slot_had(pool, checkpoint):
    futures = [kf.future(reach, checkpoint.port, number) for number in range(8)]
    visits = checkpoint.take(2)
    for visit in visits:
        assert futures[int(visit.label)].cancel()
        visit.left()
    checkpoint.open()
    cancelled = {int(visit.label) for visit in visits}
    assert kf.value([one for number, one in enumerate(futures) if number not in cancelled]) == [""] * 6


def test_many_calls_that_come_and_go_lose_nothing(pool):
    kept = []
    for number in range(300):
        future = kf.future(abs, -number)
        if number % 3:
            kept.append((number, future))
        else:
            future.cancel()
    assert all(future.result() == number for number, future in kept)


def test_ctrl_c_in_a_map_cancels_it_and_leaves_the_workers_usable(pool, checkpoint, patience):
    port = checkpoint.port
    slots = pool.slots()

    with pressed_at(checkpoint, 2) as visits:
        kf.map(lambda index: reach(port, index), range(100))
    for visit in visits:
        visit.left()
    assert not checkpoint.anybody, "nothing new started after it"
    assert kf.map(abs, range(10)) == list(range(10))
    assert pool.slots() == slots


def test_ctrl_c_while_waiting_for_a_value_leaves_the_call_running(pool, checkpoint):
    """As in the standard library: who waits is interrupted, not what is waited for."""
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()

    def wait_and_press():
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        kf.value(future)

    with pytest.raises(KeyboardInterrupt):
        wait_and_press()
    visit.go("still running")
    assert future.result() == "still running"


def test_ctrl_c_at_any_moment_of_a_maps_beginning_leaves_nothing_running(pool, checkpoint):
    """Between the lines, too: a stream that nobody got to close closes itself."""
    port = checkpoint.port

    def press():
        visit = checkpoint.next()
        os.kill(os.getpid(), signal.SIGINT)
        visit.left()

    for _ in range(30):
        hand = threading.Thread(target=press)
        hand.start()
        with pytest.raises(KeyboardInterrupt):
            kf.map(lambda _: reach(port), [0])
        hand.join(LIMIT)
        assert not hand.is_alive()
