"""What a function captured behaves alike on every plan and with every chunk size (R28)."""

from __future__ import annotations

import functools
import importlib
import sys

import cloudpickle
import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach

MAIN_PROGRAM = """
def add(x):
    global total
    total += x
    history.append(x)
    return total, len(history)
"""

CHUNKS = pytest.mark.parametrize("chunk_size", [None, 1, 7])


@CHUNKS
def test_each_element_finds_what_was_captured_as_it_was(plan, chunk_size):
    seen = []

    def remember(x):
        seen.append(x)
        return list(seen)

    assert kf.map(remember, range(20), chunk_size=chunk_size) == [[x] for x in range(20)]
    assert seen == []


@CHUNKS
def test_a_counter_in_a_closure_starts_anew_for_each_element(plan, chunk_size):
    counter = 0

    def count(_):
        nonlocal counter
        counter += 1
        return counter

    assert kf.map(count, range(20), chunk_size=chunk_size) == [1] * 20
    assert counter == 0


@CHUNKS
def test_globals_that_a_function_assigns_start_anew_for_each_element(plan, chunk_size):
    script = {"__name__": "__main__", "total": 0, "history": []}
    exec(MAIN_PROGRAM, script)
    assert kf.map(script["add"], range(1, 21), chunk_size=chunk_size) == [(x, 1) for x in range(1, 21)]
    assert script["total"] == 0 and script["history"] == []


@CHUNKS
def test_defaults_attributes_and_bound_objects_start_anew_too(plan, chunk_size):
    def with_default(x, seen=[]):  # noqa: B006 (that is the point)
        seen.append(x)
        return len(seen)

    def with_attribute(_):
        with_attribute.calls += 1
        return with_attribute.calls

    with_attribute.calls = 0

    class Model:
        def __init__(self):
            self.fits = 0

        def fit(self, _):
            self.fits += 1
            return self.fits

        __call__ = fit

    def remember(seen, x):
        seen.append(x)
        return len(seen)

    model = Model()
    functions = [
        with_default,
        with_attribute,
        model.fit,
        model,
        functools.partial(remember, []),
    ]
    for function in functions:
        assert kf.map(function, range(10), chunk_size=chunk_size) == [1] * 10
    assert model.fits == 0


def test_a_function_that_captures_only_constants_sees_them(plan):
    factor, names, nothing = 3, ("a", "b"), None
    assert kf.map(lambda x: (x * factor, names[x], nothing), range(2)) == [(0, "a", None), (3, "b", None)]


def test_what_is_captured_is_taken_when_the_call_is_made(pool, checkpoint):
    """As in R: globals are frozen when the future is created."""
    busy = [kf.future(reach, checkpoint.port) for _ in range(2)]
    visits = checkpoint.take(2)
    setting = ["before"]
    future = kf.future(lambda: setting[0])
    setting[0] = "after"
    for visit in visits:
        visit.go()
    assert future.result() == "before"
    kf.value(busy)


def test_a_function_that_changed_between_two_calls_is_sent_anew(plan):
    def answer():
        return setting

    setting = 1
    assert kf.future(answer).result() == 1
    setting = 2
    assert kf.future(answer).result() == 2
    values = [1]
    functions = [lambda: values[0]]
    assert kf.future(functions[0]).result() == 1
    values[0] = 2
    assert kf.future(functions[0]).result() == 2


def test_recursive_and_mutually_recursive_functions_work(plan):
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert kf.map(factorial, range(5)) == [1, 1, 2, 6, 24]
    assert kf.map(even, range(4)) == [True, False, True, False]


def test_builtins_methods_partials_and_classes_can_be_called(plan):
    assert kf.map(str.upper, ["a"]) == ["A"]
    assert kf.map("{}-{}".format, [1], [2]) == ["1-2"]
    assert kf.map(functools.partial(pow, 2), range(4)) == [1, 2, 4, 8]
    assert kf.map(complex, [1], [2]) == [1 + 2j]


STEPS = "PARAMETER = 1\ndef scale(x): return x * PARAMETER\n"


@CHUNKS
def test_a_module_that_is_sent_by_value_is_what_it_is_at_each_call(plan, chunk_size, tmp_path, monkeypatch):
    file = tmp_path / "sent_by_value.py"
    file.write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    import sent_by_value as steps

    cloudpickle.register_pickle_by_value(steps)
    try:
        for value in (1, 5):
            steps.PARAMETER = value
            assert kf.map(lambda x: (steps.scale(x), steps.PARAMETER), [1, 2], chunk_size=chunk_size) == [
                (value, value),
                (2 * value, value),
            ]
        file.write_text(STEPS.replace("1", "90"))
        importlib.reload(steps)
        assert kf.map(lambda x: steps.scale(x), [1], chunk_size=chunk_size) == [90]
    finally:
        cloudpickle.unregister_pickle_by_value(steps)
        del sys.modules[steps.__name__]
