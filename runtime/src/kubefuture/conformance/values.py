"""Values: what goes in and comes back is equal, and is a copy (R28)."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import math
import pickle
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import kubefuture as kf

from .claim import Target, raised

_Point = collections.namedtuple("_Point", "x y")


@dataclass
class _Reading:
    name: str
    values: list[float]


class _Colour(enum.Enum):
    RED = 1
    BLUE = 2


class _Flags(enum.Flag):
    A = 1
    B = 2


_VALUES: list[Any] = [
    None, True, 3, 2**200, -1.5, math.inf, 1j, "text ✓", b"bytes", (), [], {}, {1, 2}, frozenset("ab"),
    [1, [2, [3, {"deep": (4,)}]]], _Point(1, 2), collections.OrderedDict(b=1, a=2), range(3), slice(1, 2),
    decimal.Decimal("0.1"), datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC), _Reading("r", [1.0]),
    ValueError("a value like any other"), int, len, Ellipsis,
]  # fmt: skip


def a_value_comes_back_equal(plan: Target) -> None:
    for value, back in zip(_VALUES, kf.map(lambda x: x, _VALUES), strict=True):
        assert type(back) is type(value) and (back == value or repr(back) == repr(value))


def nan_arrays_and_their_types_come_back(plan: Target) -> None:
    array = np.array([[1.0, np.nan], [np.inf, -0.0]], order="F", dtype=np.float32)
    (back,) = kf.map(lambda x: x, [array])
    assert back.dtype == array.dtype and back.flags["F_CONTIGUOUS"]
    np.testing.assert_array_equal(back, array)


def big_arguments_and_results_come_through(plan: Target) -> None:
    """Longer than a frame, and than what a socket takes at once."""
    contents = [bytes([number]) * 3_000_000 for number in range(4)]
    assert kf.map(lambda content: content[::-1] + b"end", contents) == [one + b"end" for one in contents]


def large_captured_data_comes_through_and_is_a_copy(plan: Target) -> None:
    array = np.arange(1 << 18, dtype=float)

    def spoil(x: int) -> tuple[float, float]:
        before = float(array.sum())
        array[:] = x
        return before, float(array[0])

    whole = float(array.sum())
    assert kf.map(spoil, range(4), chunk_size=2) == [(whole, float(x)) for x in range(4)]
    assert float(array.sum()) == whole


def shared_data_is_seen_by_every_element(plan: Target) -> None:
    shared = kf.share(np.arange(1 << 18, dtype=float))
    assert kf.map(lambda x: float(shared[x]), range(4)) == [0.0, 1.0, 2.0, 3.0]
    assert kf.map(lambda part: float(part.sum()), [shared[:3], shared[3:5]]) == [3.0, 7.0]


def functions_and_local_classes_come_back(plan: Target) -> None:
    class Local:
        def __init__(self, number: int) -> None:
            self.number = number

    double: Any
    (double,) = kf.map(lambda factor: lambda x: factor * x, [2])
    assert double(21) == 42
    assert kf.future(lambda: Local(3).number).result() == 3


def one_object_in_two_places_stays_one_object(plan: Target) -> None:
    shared = [1]
    (back,) = kf.map(lambda pair: (pair, pair[0] is pair[1]), [[shared, shared]])
    assert back[1] and back[0][0] is back[0][1]


def a_result_that_contains_itself_comes_back(plan: Target) -> None:
    def endless() -> list[Any]:
        loop: list[Any] = []
        loop.append(loop)
        return loop

    back = kf.future(endless).result()
    assert back[0] is back


def an_element_that_changes_its_argument_changes_a_copy(plan: Target) -> None:
    arguments: list[list[Any]] = [[1], [2]]

    def grow(numbers: list[Any]) -> int:
        numbers.append("changed")
        return len(numbers)

    for chunk_size in (None, 1, 4):
        assert kf.map(grow, [*arguments, arguments[0]], chunk_size=chunk_size) == [2, 2, 2]
        assert arguments == [[1], [2]]


def a_result_is_a_copy_too(plan: Target) -> None:
    kept: list[int] = []
    back = kf.future(lambda: kept).result()
    back.append(1)
    assert kept == []


def the_exceptions_that_a_function_returns_are_values(plan: Target) -> None:
    (back,) = kf.map(lambda text: KeyError(text), ["missing"])
    assert isinstance(back, KeyError) and back.args == ("missing",)


def an_enum_stays_the_member_that_it_is(plan: Target) -> None:
    class Local(enum.Enum):
        ONE = 1

    assert all(kf.map(lambda member: member is _Colour.RED, [_Colour.RED]))
    assert kf.future(_Colour, 2).result() is _Colour.BLUE
    assert kf.map(lambda flags: flags, [_Flags.A | _Flags.B]) == [_Flags.A | _Flags.B]
    assert kf.map(lambda member: (member, member is Local.ONE), [Local.ONE]) == [(Local.ONE, True)]


def dataclasses_of_the_function_itself_come_back_as_their_class(plan: Target) -> None:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: float
        tags: tuple[str, ...] = ()

    (back,) = kf.map(lambda point: Point(point.x + 1, ("new",)), [Point(1.0)])
    assert type(back) is Point and back == Point(2.0, ("new",))


def a_function_uses_the_modules_around_it_and_imports_others(plan: Target) -> None:
    numbers = math

    def far(x: int) -> float:
        import statistics

        return numbers.sqrt(statistics.mean([x, x]))

    assert kf.map(far, [4, 9]) == [2.0, 3.0]


def a_module_that_cannot_be_imported_travels_as_it_is_at_each_call(plan: Target) -> None:
    """R28."""
    made: Any = types.ModuleType("kubefuture_claims_made")

    def use(x: int) -> tuple[int, int]:
        made.log.append(x)
        return made.factor * x, len(made.log)

    for factor in (2, 5):
        made.log, made.factor = [], factor
        assert kf.map(use, [1, 2, 3], chunk_size=3) == [(factor * x, 1) for x in (1, 2, 3)]


def functions_with_caches_and_dispatch_by_type_travel(plan: Target) -> None:
    @functools.cache
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    @functools.singledispatch
    def kind(x: object) -> str:
        return "object"

    @kind.register
    def _of_number(x: int) -> str:
        return "number"

    class Model:
        @functools.cached_property
        def factor(self) -> int:
            return 3

        @functools.lru_cache(maxsize=4)  # noqa: B019 (people do)
        def times(self, x: int) -> int:
            return self.factor * x

    assert kf.map(fibonacci, [30]) == kf.map(lambda n: fibonacci(n), [30]) == [832040]
    assert kf.map(kind, [1, "text"]) == ["number", "object"]
    assert kf.map(Model().times, [2]) == [6]


class _Tensor:
    """Says itself how it is rebuilt, as tensors do."""

    def __init__(self, data: Any, device: str = "cpu") -> None:
        self.data = data
        self.device = device

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuilt, (
            pickle.PickleBuffer(self.data),
            str(self.data.dtype),
            self.device,
        )


def _rebuilt(content: Any, dtype: str, device: str) -> _Tensor:
    return _Tensor(np.frombuffer(content, dtype), device)


class _Buffer:
    """Its state is a buffer, which protocol 5 may keep out of the pickle."""

    def __init__(self, content: bytes) -> None:
        self.view = memoryview(content)

    def __getstate__(self) -> dict[str, Any]:
        return {"content": pickle.PickleBuffer(self.view)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.view = memoryview(bytes(state["content"]))


def objects_that_say_how_they_are_rebuilt_travel_small_and_large(plan: Target) -> None:
    """Large is what leaves the pickle (R26)."""
    for size in (10, 1 << 18):
        tensor, buffer = _Tensor(np.arange(float(size)), "gpu"), _Buffer(bytes(range(10)) * size)
        captured = kf.future(lambda tensor=tensor, buffer=buffer: (tensor.data[-1], buffer.view[9])).result()
        assert captured == (size - 1.0, 9)
        back, other = kf.map(lambda one: one, [tensor, buffer])
        assert isinstance(back, _Tensor) and back.device == "gpu" and back.data.sum() == tensor.data.sum()
        assert isinstance(other, _Buffer) and other.view == buffer.view


def an_error_in_a_generator_arrives_and_a_generator_is_refused(plan: Target) -> None:
    def rows(count: int) -> Iterator[int]:
        yield from range(count)
        raise EOFError("no more rows")

    error = raised(EOFError, kf.map, lambda count: list(rows(count)), [3])
    assert "no more rows" in str(error) and "in rows" in str(error.__cause__)
    assert "a generator" in str(raised(kf.KubefutureError, kf.map, rows, [3]))
    assert "a generator" in str(raised(kf.KubefutureError, kf.map, list, [rows(3)]))
