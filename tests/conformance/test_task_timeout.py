"""task_timeout: how long one element may run (R22)."""

from __future__ import annotations

import ctypes
import socket
import threading

import kubefuture as kf
import pytest
from kubefuture.errors import PlanError

from tests.conformance.timing import TASK_TIMEOUT as LIMIT
from tests.faults.checkpoint import reach


@pytest.fixture
def stay(plan, overdue):
    """A function that takes too long: for ever, where it can be stopped. It travels without this module."""
    stays = plan.kind != "sequential"
    return lambda: overdue() or (threading.Event().wait() if stays else None)


def test_r22_an_element_that_runs_too_long_is_named_with_its_limit(stay):
    def second_stays(index):
        return stay() if index == 1 else index

    limited = kf.options(task_timeout=LIMIT)
    with pytest.raises(
        TimeoutError, match=r"^Element 1 ran longer than task_timeout=120\.5 s allows\."
    ) as caught:
        limited.map(second_stays, range(3))
    assert any("element 1 of second_stays" in note for note in caught.value.__notes__)
    results = limited.imap(second_stays, range(3))
    assert next(results) == 0
    with pytest.raises(TimeoutError):
        next(results)
    with pytest.raises(TimeoutError, match="Element 0 ran longer than"):
        limited.future(second_stays, 1).result()


@pytest.mark.parametrize("seed", [None, 1])
def test_r22_its_error_says_what_the_element_was_given_and_where_it_ran(plan, stay, seed):
    def wait(what, where):
        return stay()

    with pytest.raises(TimeoutError) as caught:
        kf.options(task_timeout=LIMIT, seed=seed).map(wait, ["a word"], ["here"])
    (note,) = [note for note in caught.value.__notes__ if "element 0 of wait" in note]
    assert "given 'a word', 'here'" in note
    assert plan.kind == "sequential" or f" on {socket.gethostname()}" in note
    with pytest.raises(TimeoutError) as caught:
        kf.options(task_timeout=LIMIT).future(wait, 2, where=3).result()
    assert any("given 2, where=3" in note for note in caught.value.__notes__)


def test_r22_its_error_leaves_out_long_arguments_and_those_that_cannot_be_shown(stay):
    class Shy:
        def __repr__(self):
            raise ValueError("not me")

    def wait(what):
        return stay()

    for what in (Shy(), bytes(100_000)):
        with pytest.raises(TimeoutError, match="ran longer than") as caught:
            kf.options(task_timeout=LIMIT).map(wait, [what])
        (note,) = [note for note in caught.value.__notes__ if "element 0 of wait" in note]
        assert len(note) < 300


def test_r22_its_error_is_like_one_of_the_function(stay):
    before, error, after = kf.options(task_timeout=LIMIT, on_error="return").map(
        lambda index: stay() if index == 1 else index, range(3)
    )
    assert (before, after) == (0, 2) and isinstance(error, TimeoutError)


def test_r22_an_element_that_ran_too_long_is_tried_again_as_often_as_retries_says(stay, tmp_path):
    def first_time_stays(name):
        if not (tmp_path / name).exists():
            (tmp_path / name).touch()
            stay()
        return name

    limited = kf.options(task_timeout=LIMIT, retries=1)
    assert limited.map(first_time_stays, "abc") == ["a", "b", "c"]
    assert limited.future(first_time_stays, "future").result() == "future"


def test_r22_others_of_its_chunk_keep_their_results_or_run_once(pool, stay, tmp_path, patience):
    def third_stays(index):
        with open(tmp_path / str(index), "a") as runs:
            runs.write("x")
        return stay() if index == 2 else index

    results = kf.options(task_timeout=LIMIT, on_error="return", chunk_size=6).map(third_stays, range(6))
    assert isinstance(results.pop(2), TimeoutError) and results == [0, 1, 3, 4, 5]
    assert [(tmp_path / str(index)).read_text() for index in range(6)] == ["x"] * 6


def test_r22_what_an_interrupted_function_returns_is_not_its_result(pool, stay, all_slots_work):
    def half(_):
        try:
            stay()
        except KeyboardInterrupt:
            return "half of it"

    with pytest.raises(TimeoutError):
        kf.options(task_timeout=LIMIT).map(half, [1])
    with pytest.raises(TimeoutError):
        kf.options(task_timeout=LIMIT).future(half, 1).result()


def test_r22_a_call_into_compiled_code_that_holds_the_interpreter_is_ended(pool, overdue, all_slots_work):
    def hold(index):
        if index == 1:
            overdue()
            ctypes.PyDLL(None).sleep(1000)
        return index

    zero, error, two, three = kf.options(task_timeout=LIMIT, on_error="return", chunk_size=4).map(
        hold, range(4)
    )
    assert isinstance(error, TimeoutError) and [zero, two, three] == [0, 2, 3]


def test_r22_an_element_whose_process_ends_when_it_is_interrupted_ran_too_long(pool, stay, all_slots_work):
    def leave():
        import os

        try:
            stay()
        except KeyboardInterrupt:
            os._exit(3)

    with pytest.raises(TimeoutError, match="task_timeout"):
        kf.options(task_timeout=LIMIT).future(leave).result()


def test_r22_others_on_the_same_workers_have_no_limit(pool, stay, checkpoint, all_slots_work):
    unlimited = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    with pytest.raises(TimeoutError):
        kf.options(task_timeout=LIMIT).future(stay).result()
    with pytest.raises(TimeoutError):
        kf.options(task_timeout=2 * LIMIT).future(stay).result()
    visit.go("without a limit")
    assert unlimited.result() == "without a limit"


@pytest.mark.parametrize("limit", [0, -1, "1", True, float("nan")])
def test_r22_a_limit_that_cannot_be_is_refused(limit):
    with pytest.raises(PlanError, match="no number of seconds above 0"):
        kf.options(task_timeout=limit)
