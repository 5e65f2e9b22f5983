"""What not every plan can do: that it is done, or refused, or what happens instead."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

import kubefuture as kf
from kubefuture.backends.capabilities import Capability
from kubefuture.errors import NamedMapError, PlanError

from .claim import Target, raised


def elements_run_in_other_processes_or_all_in_this_one(plan: Target) -> None:
    processes = {pid == os.getpid() for pid in kf.map(lambda _: os.getpid(), range(10))}
    assert processes == {not plan.can(Capability.WORKERS)}


def the_number_of_workers_is_known(plan: Target) -> None:
    assert kf.n_workers() >= 1
    assert plan.can(Capability.WORKERS) or kf.n_workers() == 1


def maps_with_a_name_are_kept_or_asking_for_one_is_refused(plan: Target) -> None:
    name = f"conformance-{secrets.token_hex(4)}"
    assert kf.map(abs, [-1, 2], name=name) == [1, 2]
    if plan.can(Capability.NAMES):
        assert kf.attach(name) == [1, 2]
        kf.forget(name)
        raised(NamedMapError, kf.attach, name)
    else:
        for call in (kf.attach, kf.forget):
            assert "choose plan('cluster')" in str(raised(PlanError, call, name))


def a_plan_without_workers_refuses_to_be_scaled(plan: Target) -> None:
    if not plan.can(Capability.SCALE):
        raised(PlanError, kf.scale, plan.workers + 1)
    assert "whole number" in str(raised(PlanError, kf.scale, -1))
    assert kf.n_workers() == plan.workers


def an_element_over_its_time_limit_fails_and_is_stopped_where_that_can_be(plan: Target) -> None:
    """R22: the others are finished."""
    limit, sleep = (4.0, 600.0) if plan.can(Capability.LIMIT) else (2.0, 2.2)
    started = time.monotonic()
    limited = kf.options(task_timeout=limit, on_error="return")
    outcomes: list[Any] = limited.map(time.sleep, [0.0, sleep])
    first, second = outcomes
    assert first is None and isinstance(second, TimeoutError)
    assert f"task_timeout={limit:g} s" in str(second)
    assert plan.can(Capability.LIMIT) or time.monotonic() - started >= sleep


def what_is_cancelled_before_it_begins_never_runs(plan: Target) -> None:
    if plan.can(Capability.WORKERS):
        seconds, number = (60.0, 20) if plan.can(Capability.STOP) else (0.1, 200)
        futures = [kf.future(time.sleep, seconds) for _ in range(number * plan.workers)]
        assert futures[-1].cancel() and futures[-1].cancelled() and futures[-1].done()
        for future in futures[:-1]:
            future.cancel()
    else:
        assert not kf.future(abs, -1).cancel()
    assert kf.map(abs, [-1]) == [1]


def an_element_that_ends_its_worker_is_named_and_the_others_are_finished(plan: Target) -> None:
    """R19: wherever elements run in processes of their own."""
    if not plan.can(Capability.WORKERS):
        return

    def end(index: int) -> int:
        if index == 1:
            os._exit(7)
        return index

    results: list[Any] = kf.options(on_error="return").map(end, range(3))
    assert [results[0], results[2]] == [0, 2]
    assert isinstance(results[1], kf.KubefutureError) and "Element 1 ended its worker" in str(results[1])
    assert ("exit code 7" in str(results[1])) == plan.can(Capability.STRIKES)
