"""Errors: the user's own arrive as themselves, and the workers can be used afterwards (R18)."""

from __future__ import annotations

import threading
from typing import Any

import kubefuture as kf
from kubefuture.errors import UnpicklableError

from .claim import Target, raised


class _Refused(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def _refuse(code: int) -> None:
    raise _Refused(code, f"code {code} is refused")


def an_error_arrives_as_itself_with_its_remote_traceback(plan: Target) -> None:
    for error in (raised(_Refused, kf.map, _refuse, [418]), raised(_Refused, kf.future(_refuse, 418).result)):
        assert (error.code, error.reason) == (418, "code 418 is refused")
        assert "in _refuse" in str(error.__cause__)


def a_call_that_does_not_fit_its_function_shows_no_code_of_ours(plan: Target) -> None:
    def fit(x: float, alpha: float) -> float:
        return x * alpha

    wrong: Any = fit
    for call in (
        lambda: kf.map(wrong, [1]),
        lambda: kf.map(wrong, [1], seed=1),
        lambda: kf.map(len, [1]),
        lambda: kf.future(wrong, 1).result(),
    ):
        error = raised(TypeError, call)
        assert str(error.__cause__).strip() == f"TypeError: {error}"


def an_error_says_which_element_it_was(plan: Target) -> None:
    error = raised(ZeroDivisionError, kf.map, lambda x: 1 // x, [1, -1, 0])
    assert any("element 2 of " in note for note in error.__notes__)


def errors_can_be_returned_in_their_elements_places(plan: Target) -> None:
    for call in (kf.options(on_error="return").map, kf.options(on_error="return").imap):
        first, second, third = call(lambda x: 1 // x, [1, 0, -1])
        assert (first, third) == (1, -1) and isinstance(second, ZeroDivisionError)


def imap_raises_an_error_in_its_elements_turn(plan: Target) -> None:
    results = kf.imap(lambda x: 1 // x, [1, -1, 0, 1])
    assert [next(results), next(results)] == [1, -1]
    raised(ZeroDivisionError, next, results)
    raised(StopIteration, next, results)


def what_cannot_be_sent_is_named_before_anything_is(plan: Target) -> None:
    lock = threading.Lock()
    assert "lock" in str(raised(UnpicklableError, kf.map, lambda _: lock.locked(), [1]))
    assert "Argument 1 of element 1" in str(raised(UnpicklableError, kf.map, abs, [1, lock]))


def a_result_that_cannot_be_sent_back_is_an_error_of_its_element(plan: Target) -> None:
    assert "cannot be sent back" in str(raised(kf.KubefutureError, kf.map, lambda _: threading.Lock(), [1]))


def an_element_that_exits_is_an_error_and_ends_nothing(plan: Target) -> None:
    def leave(_: int) -> None:
        raise SystemExit(3)

    raised(SystemExit, kf.map, leave, [1])
    assert kf.map(abs, [-1]) == [1]


def a_call_that_takes_too_long_ends_with_a_timeout(plan: Target) -> None:
    """R22: on the sequential plan, which can stop nothing, as soon as what runs has ended."""
    stay = threading.Event  # made where it waits: a lock cannot travel
    soon = kf.options(timeout=0.2)
    error = raised(TimeoutError, soon.map, lambda _: stay().wait(0.3), range(20))
    assert "did not finish within 0.2 s" in str(error)
    assert "finish within 0.2 s" in str(raised(TimeoutError, soon.map, lambda _: stay().wait(0.3), [1]))
    late = soon.future(lambda: stay().wait(0.3))
    assert "finish within 0.2 s" in str(raised(TimeoutError, late.result))
    assert kf.map(abs, [-1]) == [1]
