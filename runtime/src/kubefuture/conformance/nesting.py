"""Calls inside an element run in place: no plan can be exhausted by its own elements."""

from __future__ import annotations

import os
from typing import Any

import kubefuture as kf

from .claim import Target, raised


def a_nested_map_runs_in_the_elements_own_process(plan: Target) -> None:
    def outer(x: int) -> Any:
        return os.getpid(), kf.map(lambda y: (os.getpid(), x * y), range(3))

    for x, (pid, inner) in enumerate(kf.map(outer, range(4))):
        assert inner == [(pid, x * y) for y in range(3)]


def nested_futures_imaps_and_values_do(plan: Target) -> None:
    def outer(x: int) -> Any:
        futures = [kf.future(pow, x, y) for y in range(3)]
        return kf.value(futures), list(kf.imap(abs, [-x])), all(future.done() for future in futures)

    assert kf.map(outer, [2, 3]) == [([1, 2, 4], [2], True), ([1, 3, 9], [3], True)]


def an_element_has_one_worker_and_its_plan_is_the_callers_business(plan: Target) -> None:
    def inside(_: int) -> Any:
        before = kf.n_workers()
        with kf.plan("local", workers=3):
            return before, kf.n_workers(), kf.map(abs, [-1])

    assert kf.map(inside, range(2)) == [(1, 1, [1])] * 2


def errors_of_nested_calls_arrive_as_themselves(plan: Target) -> None:
    def outer(x: int) -> list[int]:
        return kf.map(lambda y: 1 // y, [x])

    error = raised(ZeroDivisionError, kf.map, outer, [0])
    assert any("element 0" in note for note in error.__notes__)
