"""map and imap: parity with the built-in `map`, and with an executor's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kubefuture as kf

from .claim import Target, raised

_ITERABLES: list[Callable[[], list[Iterable[Any]]]] = [
    lambda: [[]],
    lambda: [[None, None]],
    lambda: [range(10)],
    lambda: ["abc"],
    lambda: [{"x": 1, "y": 2}],
    lambda: [iter([1, 2, 3])],
    lambda: [(number for number in range(200))],
    lambda: [iter(())],
    lambda: [range(5), "abcde"],
    lambda: [range(5), "ab", iter(range(100))],
    lambda: [range(5), []],
    lambda: [range(5000)],
]
"""Nothing, None, texts, keys, iterators, generators, several, of unequal lengths, empty ones, and a long one."""


def it_returns_what_the_built_in_map_returns(plan: Target) -> None:
    def together(*args: Any) -> tuple[Any, ...]:
        return args

    for made in _ITERABLES:
        expected = list(map(together, *made()))
        assert kf.map(together, *made()) == expected
        assert list(kf.imap(together, *made())) == expected


def it_returns_what_an_executor_returns(plan: Target) -> None:
    with ThreadPoolExecutor(2) as executor:
        oracle = list(executor.map(pow, range(50), range(50)))
    assert kf.map(pow, range(50), range(50)) == oracle == list(kf.imap(pow, range(50), range(50)))


def the_chunk_size_changes_nothing_in_the_results(plan: Target) -> None:
    for chunk_size in (1, 3, 64, 10_000):
        assert kf.map(operator.neg, range(200), chunk_size=chunk_size) == [-number for number in range(200)]


def imap_reads_an_infinite_generator_only_a_little_ahead(plan: Target) -> None:
    """R16: at most 100 inputs, or 4 a worker if that is more."""
    read: list[int] = []

    def numbers() -> Iterator[int]:
        while True:
            read.append(len(read))
            yield read[-1]

    results = kf.imap(operator.neg, numbers())
    taken = [next(results) for _ in range(300)]
    results.close()  # type: ignore[attr-defined]
    assert taken == [-number for number in range(300)]
    assert len(read) <= 300 + max(100, 4 * plan.workers)


def a_generator_that_raises_ends_the_map_with_its_error(plan: Target) -> None:
    def broken() -> Iterator[int]:
        yield from range(100)
        raise LookupError("no more data")

    assert "no more data" in str(raised(LookupError, kf.map, abs, broken()))
    assert kf.map(abs, [-1]) == [1]


def what_is_no_iterable_or_no_function_is_refused(plan: Target) -> None:
    not_callable: Any = "abs"
    raised(TypeError, kf.map, abs, 3)
    assert "at least one iterable" in str(raised(kf.KubefutureError, kf.map, abs))
    assert "not a function" in str(raised(kf.KubefutureError, kf.map, not_callable, [1]))
    assert "not a function" in str(raised(kf.KubefutureError, kf.future, 3))


def a_map_of_many_small_elements_is_complete(plan: Target) -> None:
    elements = 20_000
    assert sum(kf.map(abs, range(elements))) == sum(range(elements))


def maps_of_several_threads_do_not_mix(plan: Target) -> None:
    with ThreadPoolExecutor(4) as threads:
        maps = [threads.submit(kf.map, operator.add, [base] * 50, range(50)) for base in range(0, 400, 100)]
        for base, one in zip(range(0, 400, 100), maps, strict=True):
            assert one.result(60) == [base + number for number in range(50)]


def progress_counts_every_element_also_in_chunks(plan: Target) -> None:
    told: list[tuple[int, int | None]] = []
    kf.map(abs, range(50), progress=lambda done, total: told.append((done, total)), chunk_size=7)
    assert told == [(done, 50) for done in range(1, 51)]
