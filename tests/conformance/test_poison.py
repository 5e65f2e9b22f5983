"""A slot's death costs nothing but time, unless an element is to blame for it again and again (R19)."""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import signal
import socket

import kubefuture as kf
import pytest
from kubefuture.errors import PoisonError

from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT

pytestmark = pytest.mark.usefixtures("all_slots_work")


@pytest.mark.parametrize("chunk_size", [None, 1, 5])
def test_a_killed_slot_costs_no_results(pool, checkpoint, chunk_size):
    port = checkpoint.port

    def stop_at_three(index):
        return (index, reach(port)) if index == 3 else index

    results = kf.imap(stop_at_three, range(20), chunk_size=chunk_size)
    checkpoint.next().kill()
    checkpoint.next().go("elsewhere")
    assert list(results) == [0, 1, 2, (3, "elsewhere"), *range(4, 20)]


def test_a_killed_slot_costs_no_future(pool, checkpoint):
    futures = [kf.future(reach, checkpoint.port, number) for number in range(6)]
    for visit in checkpoint.take(2):
        visit.kill()
    for _ in range(6):
        checkpoint.next().go("done")
    assert kf.value(futures) == ["done"] * 6


@pytest.mark.parametrize("chunk_size", [None, 1, 4, 100])
def test_an_element_that_kills_its_slot_three_times_is_named_while_the_others_finish(
    pool, tmp_path, chunk_size
):
    def crash_at_four(index):
        with open(tmp_path / str(index), "a") as tries:
            tries.write("x")
        if index == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    with pytest.raises(PoisonError, match=r"Element 4 .*3 times.*SIGKILL") as caught:
        kf.map(crash_at_four, range(12), chunk_size=chunk_size)
    assert caught.value.index == 4
    tries = {int(path.name): len(path.read_text()) for path in tmp_path.iterdir()}
    assert tries.pop(4) == 3
    assert sorted(tries) == [index for index in range(12) if index != 4], "the others finished"
    assert kf.map(abs, range(5)) == list(range(5))


def test_the_others_results_can_be_had(pool):
    def exit_at_two(index):
        if index == 2:
            os._exit(7)
        return index

    *before, poisoned, last = kf.options(on_error="return").map(exit_at_two, range(4))
    assert before == [0, 1] and last == 3
    assert isinstance(poisoned, PoisonError) and "exit code 7" in str(poisoned)


def test_imap_raises_poison_in_its_elements_turn(pool):
    def exit_at_one(index):
        if index == 1:
            os._exit(7)
        return index

    results = kf.imap(exit_at_one, range(3))
    assert next(results) == 0
    with pytest.raises(PoisonError):
        next(results)


def test_imap_of_an_endless_input_raises_poison_when_what_it_had_read_is_finished(pool):
    def exit_at_three(index):
        if index == 3:
            os._exit(7)
        return index

    results = kf.imap(exit_at_three, itertools.count())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(PoisonError, match="Element 3 "):
        next(results)
    survivors = kf.options(on_error="return").imap(exit_at_three, itertools.count())
    assert [type(next(survivors)) for _ in range(500)] == [int] * 3 + [PoisonError] + [int] * 496
    survivors.close()


def test_aio_imap_of_an_endless_input_raises_poison_too(pool):
    def exit_at_three(index):
        if index == 3:
            os._exit(7)
        return index

    async def read(on_error, most):
        found = []
        async for value in kf.aio.options(on_error=on_error).imap(exit_at_three, itertools.count()):
            found.append(value)
            if len(found) == most:
                return found
        raise AssertionError("it has ended")

    with pytest.raises(PoisonError, match="Element 3 "):
        asyncio.run(asyncio.wait_for(read("raise", 5), LIMIT))
    survivors = asyncio.run(asyncio.wait_for(read("return", 500), LIMIT))
    assert [type(one) for one in survivors] == [int] * 3 + [PoisonError] + [int] * 496


def test_two_poisoned_elements_are_both_found(pool):
    def exit_if_odd(index):
        if index % 2:
            os._exit(1)
        return index

    results = kf.options(on_error="return").map(exit_if_odd, range(4))
    assert [isinstance(one, PoisonError) and one.index for one in results] == [False, 1, False, 3]


def test_a_future_can_be_poisoned_too(pool):
    with pytest.raises(PoisonError, match="SIGSEGV"):
        kf.future(lambda: os.kill(os.getpid(), signal.SIGSEGV)).result()
    assert kf.future(abs, -1).result() == 1


def test_r19_the_report_names_arguments_ends_hosts_and_the_last_lines(pool):
    def speak_and_die(index, word):
        for number in range(30):
            print(f"line {number} of {index}")
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(PoisonError) as caught:
        kf.map(speak_and_die, range(6), ["a word " * 40] * 6, chunk_size=6)
    error = caught.value
    assert (error.index, error.reasons) == (3, ("killed by SIGKILL",) * 3)
    assert error.hosts == (socket.gethostname(),) * 3
    assert error.last_lines == tuple(f"line {number} of 3" for number in range(10, 30))
    first, arguments, *_ = str(error).splitlines()
    assert first.startswith("Element 3 ended its worker process 3 times, and was given up")
    assert arguments.startswith("  It was called with (3, 'a word a word") and len(arguments) < 160
    assert "    line 29 of 3" in str(error)


def test_r19_the_report_of_a_future_and_of_a_seeded_element_show_their_arguments_too(pool):
    def die(index, *, rng=None, other=0):
        if index:
            os._exit(2 + index)

    with pytest.raises(PoisonError, match=r"called with \(1, other=2\)"):
        kf.future(die, 1, other=2).result()
    with pytest.raises(PoisonError, match=r"called with \(5\)") as caught:
        kf.map(die, [0, 5], seed=[1, 2])
    assert caught.value.reasons == ("exit code 7",) * 3


def test_r19_arguments_that_cannot_be_shown_or_are_large_do_not_hide_the_report(pool):
    class Shy:
        def __repr__(self):
            raise RuntimeError

    for argument in (Shy(), bytes(1 << 20)):
        with pytest.raises(PoisonError, match="Element 0 ended its worker process 3 times") as caught:
            kf.map(lambda _: os._exit(1), [argument])
        assert len(str(caught.value)) < 1000


def test_r19_the_report_survives_pickling(pool):
    with pytest.raises(PoisonError) as caught:
        kf.future(os._exit, 1).result()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.reasons, copy.hosts) == (
        str(caught.value),
        caught.value.reasons,
        caught.value.hosts,
    )
