"""Single futures: what `concurrent.futures` promises of them."""

from __future__ import annotations

import concurrent.futures as cf
import operator
from typing import Any

import kubefuture as kf

from .claim import Target, raised


def a_future_has_the_value_that_the_call_returns(plan: Target) -> None:
    assert kf.future(divmod, 17, 5).result() == divmod(17, 5)
    assert kf.future(int, "ff", base=16).result() == 255
    assert kf.future(lambda *args, **kwargs: (args, kwargs), 1, fn=2).result() == ((1,), {"fn": 2})


def a_future_is_a_standard_future(plan: Target) -> None:
    futures: list[cf.Future[int]] = [kf.future(operator.mul, number, number) for number in range(5)]
    assert all(isinstance(one, cf.Future) for one in futures)
    done, waiting = cf.wait(futures)
    assert {one.result() for one in done} == {0, 1, 4, 9, 16} and not waiting
    assert sorted(one.result() for one in cf.as_completed(futures)) == [0, 1, 4, 9, 16]


def the_value_can_be_asked_for_again(plan: Target) -> None:
    future: cf.Future[list[str]] = kf.future(list, "abc")
    assert kf.value(future) == kf.value(future) == future.result() == ["a", "b", "c"]
    assert future.done() and future.done() and future.exception() is None


def a_callback_may_start_more(plan: Target) -> None:
    answers: cf.Future[cf.Future[int]] = cf.Future()
    kf.future(abs, -3).add_done_callback(lambda one: answers.set_result(kf.future(abs, -one.result())))
    assert answers.result(30).result(30) == 3


def label_and_state_are_in_the_representation(plan: Target) -> None:
    future = kf.options(label="the fit").future(abs, -1)
    future.result()
    assert "the fit" in repr(future) and "finished" in repr(future)


def containers_keep_their_shape_and_what_is_no_future(plan: Target) -> None:
    nested: Any = {"a": kf.future(abs, -1), "b": [kf.future(abs, -2), "text", (kf.future(abs, -3), None)]}
    assert kf.value(nested) == {"a": 1, "b": [2, "text", (3, None)]}
    assert kf.value("no future at all") == "no future at all"


def what_is_done_cannot_be_cancelled(plan: Target) -> None:
    future = kf.future(abs, -1)
    future.result()
    assert not future.cancel() and not future.cancelled() and future.result() == 1


def a_call_that_was_cancelled_has_no_result(plan: Target) -> None:
    futures = [kf.future(abs, -number) for number in range(50)]
    for number, future in enumerate(futures):
        if future.cancel():
            raised(cf.CancelledError, future.result)
        else:
            assert future.result() == number
    assert kf.map(abs, [-1]) == [1]
