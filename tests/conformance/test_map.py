"""map and imap: parity with the built-in `map`, on every plan."""

from __future__ import annotations

import operator
from concurrent.futures import ThreadPoolExecutor

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach

ITERABLES = {
    "nothing": lambda: [[]],
    "None": lambda: [[None, None]],
    "a range": lambda: [range(10)],
    "text": lambda: ["abc"],
    "a dictionary's keys": lambda: [{"x": 1, "y": 2}],
    "an iterator": lambda: [iter([1, 2, 3])],
    "a generator": lambda: [(number for number in range(200))],
    "an empty generator": lambda: [(number for number in ())],
    "two iterables": lambda: [range(5), "abcde"],
    "unequal lengths": lambda: [range(5), "ab", iter(range(100))],
    "one of them empty": lambda: [range(5), []],
    "more than a batch": lambda: [range(5000)],
}


@pytest.mark.parametrize("name", ITERABLES)
@pytest.mark.parametrize("call", ["map", "imap"])
def test_it_returns_what_the_built_in_map_returns(plan, name, call):
    def together(*args):
        return args

    ours = getattr(kf, call)(together, *ITERABLES[name]())
    assert list(ours) == list(map(together, *ITERABLES[name]()))
    assert call == "imap" or isinstance(ours, list)


def test_it_returns_what_an_executor_returns(plan):
    with ThreadPoolExecutor(2) as executor:
        oracle = list(executor.map(pow, range(50), range(50)))
    assert kf.map(pow, range(50), range(50)) == oracle == list(kf.imap(pow, range(50), range(50)))


@pytest.mark.parametrize("chunk_size", [1, 3, 64, 10_000])
def test_the_chunk_size_changes_nothing_in_the_results(plan, chunk_size):
    assert kf.map(operator.neg, range(200), chunk_size=chunk_size) == [-number for number in range(200)]


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


def test_imap_reads_an_infinite_generator_only_a_little_ahead(plan):
    read = []

    def numbers():
        while True:
            read.append(len(read))
            yield read[-1]

    results = kf.imap(operator.neg, numbers())
    taken = [next(results) for _ in range(300)]
    results.close()
    assert taken == [-number for number in range(300)]
    assert len(read) <= 300 + 100, "R16: at most 100 ahead"


def test_a_generator_that_raises_ends_the_map_with_its_error(plan):
    def broken():
        yield from range(100)
        raise LookupError("no more data")

    with pytest.raises(LookupError, match="no more data"):
        kf.map(abs, broken())
    assert kf.map(abs, [-1]) == [1]


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


def test_what_is_no_iterable_or_no_function_is_refused(plan):
    with pytest.raises(TypeError):
        kf.map(abs, 3)
    with pytest.raises(kf.KubefutureError, match="at least one iterable"):
        kf.map(abs)
    with pytest.raises(kf.KubefutureError, match="not a function"):
        kf.map("abs", [1])
    with pytest.raises(kf.KubefutureError, match="not a function"):
        kf.future(3)


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


def test_a_map_of_many_small_elements_is_complete(plan):
    elements = 20_000
    assert sum(kf.map(abs, range(elements))) == sum(range(elements))


def test_maps_of_several_threads_do_not_mix(plan):
    with ThreadPoolExecutor(4) as threads:
        maps = [threads.submit(kf.map, operator.add, [base] * 50, range(50)) for base in range(0, 400, 100)]
        for base, one in zip(range(0, 400, 100), maps, strict=True):
            assert one.result(60) == [base + number for number in range(50)]
