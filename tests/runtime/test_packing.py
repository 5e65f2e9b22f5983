"""Packing: what cannot be sent is named, what went wrong elsewhere is readable here."""

from __future__ import annotations

import functools
import pickle
import random
import threading
from collections import deque

import numpy as np
import pytest
from kubefuture.core import packing, picklers
from kubefuture.core.blame import find_culprit
from kubefuture.core.packing import (
    pack_element,
    pack_function,
    pack_result,
    pack_shared,
    unpack,
    unpack_result,
)
from kubefuture.core.picklers import dumps
from kubefuture.core.raised import RemoteTraceback, pack_exception, unpack_exception  # fmt: skip
from kubefuture.errors import KubefutureError, PoisonError, ResultError, UnpicklableError


class Holder:
    def __init__(self, **parts):
        self.__dict__.update(parts)


def stuck():
    return threading.Lock()


def with_captured(captured):
    return lambda: captured


def with_default(default):
    def function(x=default, *, y=None):
        return x

    return function


BLAMED = {
    "['conn']": lambda: {"fine": 1, "conn": stuck()},
    "[1]": lambda: [1, stuck()],
    ".db → .lock": lambda: Holder(name="x", db=Holder(lock=stuck())),
    "closure variable 'captured' of": lambda: with_captured(stuck()),
    "closure variable 'captured' of <lambda> → [0]": lambda: with_captured([stuck()]),
    "default of 'x' of function": lambda: with_default(stuck()),
    "argument 2 of partial(pow)": lambda: functools.partial(pow, 1, stuck()),
    "argument 'key' of partial(sorted)": lambda: functools.partial(sorted, key=stuck()),
    "the object of method": lambda: Holder2(stuck()).method,
    "attribute 'cache' of": lambda: with_attribute(stuck()),
    "attribute 'lock' of class Model": lambda: local_class(stuck()),
    "its class → attribute 'lock' of class": lambda: local_class(stuck())(),
    "base Model of": lambda: type("Part", (local_class(stuck()),), {}),
    ".open": lambda: Slotted(stuck(), 1),
    ".__closed": lambda: Slotted(1, stuck()),
    "[1] → ['a']": lambda: deque([1, {"a": stuck()}]),
    " → ".join(["[0]"] * 9): lambda: functools.reduce(lambda inner, _: [inner], range(9), stuck()),
}


def with_attribute(value):
    def function():
        return function.cache

    function.cache = value
    return function


def local_class(value):
    class Model:
        lock = value

    return Model


class Slotted:
    __slots__ = ("__closed", "open")

    def __init__(self, opened, closed):
        self.open = opened
        self.__closed = closed


class Holder2:
    def __init__(self, lock):
        self.lock = lock

    def method(self):
        return self.lock


@pytest.mark.parametrize("path", BLAMED)
def test_the_part_that_cannot_be_sent_is_named(path):
    import cloudpickle

    named = find_culprit(BLAMED[path](), cloudpickle.dumps)
    assert named.startswith(path) and named.endswith("(a lock)")


def test_globals_that_a_function_uses_are_blamed_by_name():
    space = {"__name__": "__main__", "session": stuck()}
    exec("def f(x):\n    def g():\n        return session\n    return g()", space)
    with pytest.raises(UnpicklableError, match=r"function f .*global variable 'session' of f"):
        pack_function(space["f"])


def test_an_object_that_is_to_blame_itself_has_no_part_to_name():
    assert find_culprit(stuck(), pickle.dumps) == ""
    with pytest.raises(
        UnpicklableError, match=r"^Argument 1 of element 7 \(a lock\) cannot be sent to a worker: "
    ):
        pack_element((stuck(),), None, 7)


def test_an_object_that_contains_itself_is_searched_only_once():
    loop = [stuck()]
    loop.insert(0, loop)
    assert "(a lock)" in find_culprit(loop, pickle.dumps)


def test_arguments_are_named_by_number_or_name():
    with pytest.raises(UnpicklableError, match=r"^Argument 2 of element 0 "):
        pack_element((1, stuck()), None, 0)
    with pytest.raises(UnpicklableError, match=r"^Argument 'lock' \(a lock\)"):
        pack_element((1,), {"lock": stuck()}, None)


def test_a_structure_that_is_nested_too_deeply_says_so():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnpicklableError, match="nested too deeply"):
        pack_element((deep,), None, 0)
    with pytest.raises(ResultError):
        pack_result(deep)
    while deep:  # taken apart from the outside, as its own end would be too deep as well
        deep = deep.pop()


def test_elements_and_results_come_back():
    assert unpack(pack_element((1, "a"), None, 0)) == ((1, "a"), None)
    assert unpack(pack_element(([1],), {"k": 2}, None)) == (([1],), {"k": 2})
    assert unpack(pack_element((), {}, None)) == ((), None)
    assert unpack_result(pack_result({"a": (1, None)})) == {"a": (1, None)}


def raised(function, *args):
    """The exception that a call ends with."""
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_exception_comes_back_with_its_traceback_as_cause():
    def fail():
        raise KeyError("x")

    error = unpack_exception(pack_exception(raised(fail)))
    assert type(error) is KeyError and error.args == ("x",)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert 'raise KeyError("x")' in str(error.__cause__) and __file__ in str(error.__cause__)


def test_an_exception_that_cannot_be_packed_is_quoted():
    class Local(Exception):
        def __init__(self, one, two):
            super().__init__("kept")

    error = unpack_exception(pack_exception(Local(1, 2)))
    assert type(error) is ResultError and "Local: kept" in str(error)
    error = unpack_exception(pack_exception(ValueError("text", stuck())))
    assert type(error) is ResultError and "ValueError" in str(error)


def test_an_exception_that_turns_into_something_else_is_quoted():
    class Odd(Exception):
        def __reduce__(self):
            return int, (3,)

    assert type(unpack_exception(pack_exception(Odd("text")))) is ResultError


def test_damaged_results_are_an_error_of_ours_not_a_crash():
    with pytest.raises(ResultError, match="cannot be unpacked here"):
        unpack_result(b"no pickle")
    gone = b"cno_such_module\nthing\n."
    with pytest.raises(ResultError, match="cannot be imported"):
        unpack_result(gone)


def test_our_own_errors_survive_the_way_too():
    error = unpack_exception(pack_exception(PoisonError("poison", 7, ["SIGKILL"], ["host"], ["line"])))
    assert isinstance(error, PoisonError) and error.index == 7 and str(error) == "poison"
    assert (error.reasons, error.hosts, error.last_lines) == (("SIGKILL",), ("host",), ("line",))
    for kind in KubefutureError.__subclasses__():
        assert type(pickle.loads(pickle.dumps(kind("message")))) is kind


def test_what_is_too_long_to_be_sent_is_refused_with_its_length(monkeypatch):
    monkeypatch.setattr(packing, "MOST_BYTES", 10_000)
    long = list(range(10_000))
    with pytest.raises(
        UnpicklableError, match=r"arguments of element 3 has .* can be sent at once.*from a file"
    ):
        packing.pack_element((long,), None, 3)
    with pytest.raises(UnpicklableError, match="function with what it captured"):
        packing.pack_function(lambda: long)
    with pytest.raises(ResultError, match=r"returned .* more than .*Write it to a file"):
        packing.pack_result(long)


def test_functions_that_captured_little_or_what_is_shared_are_not_weighed(monkeypatch):
    monkeypatch.setattr("kubefuture.core.packing.warn_captured", None)
    shared = pack_shared(np.zeros(2_000_000))
    small = [1, 2, 3]
    pack_function(lambda: small)
    pack_function(lambda: shared)
    with pytest.raises(TypeError, match="not callable"):
        pack_function(with_captured(np.ones(2_000_000)))


def test_a_generator_of_ones_own_is_copied_and_the_global_one_is_the_same_there():
    for own in (random.Random(1), np.random.RandomState(1)):
        copy = pickle.loads(dumps(own))
        assert copy is not own and copy.uniform(0, 1) == own.uniform(0, 1)
    for draw in (random.gauss, np.random.normal):
        assert pickle.loads(dumps(draw)).__self__ is draw.__self__


def test_a_function_keeps_its_file_though_cloudpickle_leaves_it_out(monkeypatch):
    """As from its version 3.1.3 on; without it no traceback could show a line."""

    def fit(x):
        return (lambda: 1 / x)()

    as_always = picklers._reduce_code

    def without(code):
        kind, args = as_always(code)
        assert args[picklers._FILENAME] == code.co_filename
        return kind, (*args[: picklers._FILENAME], "<dynamic-code>", *args[picklers._FILENAME + 1 :])

    monkeypatch.setattr(picklers, "_reduce_code", without)
    code = pickle.loads(picklers.dumps(fit)).__code__
    assert code.co_filename == __file__
    [inner] = [one for one in code.co_consts if isinstance(one, type(code))]
    assert inner.co_filename == __file__
