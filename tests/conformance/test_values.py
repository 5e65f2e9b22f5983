"""Values: what goes in and comes back is equal, and is a copy, on every plan."""

from __future__ import annotations

import collections
import datetime
import decimal
import math
from dataclasses import dataclass

import kubefuture as kf
import numpy as np
import pytest

Point = collections.namedtuple("Point", "x y")


@dataclass
class Reading:
    name: str
    values: list[float]


VALUES = [
    None, True, 3, 2**200, -1.5, math.inf, 1j, "text ✓", b"bytes", (), [], {}, {1, 2}, frozenset("ab"),
    [1, [2, [3, {"deep": (4,)}]]], Point(1, 2), collections.OrderedDict(b=1, a=2), range(3), slice(1, 2),
    decimal.Decimal("0.1"), datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC), Reading("r", [1.0]),
    ValueError("a value like any other"), int, len, Ellipsis,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_equal(plan, value):
    (back,) = kf.map(lambda x: x, [value])
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_nan_arrays_and_their_types_come_back(plan):
    array = np.array([[1.0, np.nan], [np.inf, -0.0]], order="F", dtype=np.float32)
    (back,) = kf.map(lambda x: x, [array])
    assert back.dtype == array.dtype and back.flags["F_CONTIGUOUS"]
    np.testing.assert_array_equal(back, array)


def test_big_arguments_and_results_come_through(plan):
    """Longer than a frame, and than what a socket takes at once."""
    contents = [bytes([number]) * 3_000_000 for number in range(4)]
    assert kf.map(lambda content: content[::-1] + b"end", contents) == [one + b"end" for one in contents]


def test_functions_and_local_classes_come_back(plan):
    class Local:
        def __init__(self, number):
            self.number = number

    (double,) = kf.map(lambda factor: lambda x: factor * x, [2])
    assert double(21) == 42
    assert kf.future(lambda: Local(3).number).result() == 3


def test_one_object_in_two_places_stays_one_object(plan):
    shared = [1]
    (back,) = kf.map(lambda pair: (pair, pair[0] is pair[1]), [[shared, shared]])
    assert back[1] and back[0][0] is back[0][1]


def test_a_result_that_contains_itself_comes_back(plan):
    def endless():
        loop = []
        loop.append(loop)
        return loop

    back = kf.future(endless).result()
    assert back[0] is back


@pytest.mark.parametrize("chunk_size", [None, 1, 4])
def test_an_element_that_changes_its_argument_changes_a_copy(plan, chunk_size):
    arguments = [[1], [2]]
    same = arguments[0]

    def grow(numbers):
        numbers.append("changed")
        return len(numbers)

    assert kf.map(grow, [*arguments, same], chunk_size=chunk_size) == [2, 2, 2]
    assert arguments == [[1], [2]]


def test_a_result_is_a_copy_too(plan):
    kept = []
    back = kf.future(lambda: kept).result()
    back.append(1)
    assert kept == []


def test_the_exceptions_that_a_function_returns_are_values(plan):
    (back,) = kf.map(lambda text: KeyError(text), ["missing"])
    assert isinstance(back, KeyError) and back.args == ("missing",)
