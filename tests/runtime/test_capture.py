"""Which functions may share one copy (R28), and when a packed one can be used again."""

from __future__ import annotations

import colorsys
import functools
import json
import math
import operator
import pickle
import types

import cloudpickle
import pytest
from kubefuture.core.capture import fingerprint, is_by_reference
from kubefuture.core.packing import pack_function

FACTOR, TABLE = 3, {"a": 1}


def by_reference(x):
    return x


def make(source: str, **variables):
    """The function `f` of a little program that cannot be imported."""
    space = {"__name__": "__main__", **variables}
    exec(source, space)
    return space["f"]


def closure(captured):
    return lambda x: (x, captured)


IMMUTABLE = {
    "a builtin": abs,
    "an imported function": json.dumps,
    "a function of this module": by_reference,
    "a class that can be imported": math.inf.__class__,
    "a bare lambda": lambda x: x + 1,
    "a closure over a number": closure(3),
    "a closure over nested tuples": closure((1, ("a", b"b", None, 2.5, 1j))),
    "a closure over a module": closure(math),
    "a closure over an imported function": closure(operator.add),
    "a closure over such a closure": closure(closure(1)),
    "a constant global": make("def f(x): return x * FACTOR", FACTOR=3),
    "a module global": make("import math\ndef f(x): return math.sqrt(x)"),
    "a global function": make("def g(x): return x\ndef f(x): return g(x)"),
    "a recursive function": make("def f(x): return f(x - 1) if x else 0"),
    "constant defaults": make("def f(x, y=2, *, z=(1, 2)): return x"),
}

MUTABLE = {
    "a closure over a list": closure([1]),
    "a closure over a tuple with a list": closure((1, [2])),
    "a closure over an object": closure(object()),
    "a closure over a closure over a list": closure(closure([])),
    "a mutable global": make("def f(x): return TABLE[x]", TABLE={}),
    "an inner function that uses one": make("def f(x):\n    def g(): return TABLE\n    return g()", TABLE={}),
    "a global that it assigns": make("def f(x):\n    global n\n    n = x\n    return n", n=0),
    "a global that it deletes": make("def f(x):\n    global n\n    del n", n=0),
    "a mutable default": make("def f(x, seen=[]): return seen"),
    "a mutable keyword default": make("def f(x, *, seen={}): return seen"),
    "a closure over a module that cannot be imported": closure(types.ModuleType("made")),
    "a closure over one with a name that another has": closure(types.ModuleType("json")),
    "a partial": functools.partial(pow, 2),
    "a bound method": [].append,
    "an object that can be called": operator.itemgetter(1),
}


@pytest.mark.parametrize("name", IMMUTABLE)
def test_a_function_that_nothing_can_change_is_shared(name):
    assert fingerprint(IMMUTABLE[name]) is not None
    assert pack_function(IMMUTABLE[name])[1] is True


@pytest.mark.parametrize("name", MUTABLE)
def test_a_function_that_captured_something_mutable_is_copied(name):
    assert fingerprint(MUTABLE[name]) is None
    assert pack_function(MUTABLE[name])[1] is False


def test_a_counter_and_an_attribute_make_a_function_mutable():
    count = 0

    def counter(_):
        nonlocal count
        count += 1

    def marked(_):
        return None

    assert fingerprint(counter) is None
    assert fingerprint(marked) is not None
    marked.calls = 0
    assert fingerprint(marked) is None


def test_functions_that_differ_have_different_fingerprints():
    values = [0, 0.0, -0.0, False, 0j, "0", b"0", None, (), (0,), (0.0,), (False,), ("0",), ((0,),)]
    prints = [fingerprint(closure(value)) for value in values]
    assert len(set(prints)) == len(values)
    assert fingerprint(closure(1)) == fingerprint(closure(1))
    assert fingerprint(make("def f(x): return x * F", F=1)) != fingerprint(
        make("def f(x): return x * F", F=2)
    )
    assert fingerprint(make("def f(x, y=1): return x")) != fingerprint(make("def f(x, y=True): return x"))


def test_a_global_that_changes_makes_another_fingerprint_and_another_payload():
    function = make("def f(x): return x * FACTOR", FACTOR=3)
    before, packed = fingerprint(function), pack_function(function)
    assert pack_function(function)[0] is packed[0], "the same bytes are used again"
    function.__globals__["FACTOR"] = 4
    assert fingerprint(function) != before and pack_function(function) != packed


def test_a_module_is_immutable_only_where_it_is_imported_anew():
    function = closure(colorsys)
    assert fingerprint(function) is not None
    cloudpickle.register_pickle_by_value(colorsys)
    try:
        assert fingerprint(function) is None and pack_function(function)[1] is False
    finally:
        cloudpickle.unregister_pickle_by_value(colorsys)
    assert fingerprint(function) is not None


def test_what_can_be_imported_is_known_by_its_name():
    assert is_by_reference(json.dumps) and is_by_reference(by_reference) and is_by_reference(json.JSONDecoder)
    assert not is_by_reference(lambda: 0) and not is_by_reference(make("def f(): pass"))
    shadow = make("def f(): pass")
    shadow.__module__, shadow.__qualname__ = "json", "dumps"
    assert not is_by_reference(shadow)


def test_a_code_that_takes_a_dead_ones_place_in_memory_is_not_taken_for_it():
    def numbered(number):
        return eval(f"lambda x: (x, {number})")

    for number in range(9000):  # more than twice as many as are remembered at a time
        function = numbered(number)
        if number % 10:
            fingerprint(function)
        else:
            assert pickle.loads(pack_function(function)[0])(0) == (0, number)
