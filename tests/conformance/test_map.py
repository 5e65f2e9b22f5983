"""map and imap: parity with the built-in `map`, on every plan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach


@pytest.mark.parametrize("call", ["map", "imap"])
def test_results_are_in_the_order_of_the_elements(pool, checkpoint, call):
    port = checkpoint.port

    def last_comes_first(index):
        return index, reach(port, index) if index == 0 else ""

    with ThreadPoolExecutor(1) as helper:
        released = helper.submit(lambda: checkpoint.next().go("late"))
        results = list(getattr(kf, call)(last_comes_first, range(30)))
        released.result()
    assert results == [(0, "late"), *((index, "") for index in range(1, 30))]


def test_imap_gives_results_while_others_still_run(pool, checkpoint):
    port = checkpoint.port
    results = kf.imap(lambda index: reach(port) if index else "first", range(2))
    visit = checkpoint.next()
    assert next(results) == "first"
    visit.go("second")
    assert list(results) == ["second"]


def test_imap_starts_before_the_first_result_is_asked_for(pool, checkpoint):
    port = checkpoint.port
    results = kf.imap(lambda _: reach(port), range(1))
    checkpoint.next().go("started")
    assert list(results) == ["started"]


def test_closing_imap_cancels_what_is_left(pool, checkpoint, all_slots_work):
    port = checkpoint.port
    results = kf.imap(lambda index: reach(port, index) if index else 0, range(50))
    visit = checkpoint.next()
    assert next(results) == 0
    results.close()
    visit.left()


def test_an_imap_that_nobody_reads_is_cancelled_too(pool, checkpoint, all_slots_work):
    port = checkpoint.port
    results = kf.imap(lambda index: reach(port, index), range(50))
    visits = checkpoint.take(2)
    results.close()
    for visit in visits:
        visit.left()


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 0}, {"chunk_size": 1.5}, {"chunk_size": True}, {"timeout": "1"}, {"retries": -1},
        {"retries": True}, {"on_error": "ignore"},
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused_before_anything_runs(plan, options, tmp_path):
    with pytest.raises(kf.KubefutureError, match=next(iter(options))):
        kf.options(**options).map((tmp_path / "ran").touch, [0o600])
    assert not (tmp_path / "ran").exists()
