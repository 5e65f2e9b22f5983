"""What do the output relay, progress and seeds cost?

A map and a round trip with them stand beside the same without. The bar of a map that shows its progress goes nowhere;
a round trip is a future, and a map of one element, since futures have no progress.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import kubefuture as kf

from tests.faults.programs import Cluster

from .contenders import Contender, Pool, Turn, cluster, local, plus_one
from .measurement import Row, in_turns, ratios
from .pools import PLACES

MAP_BAR, SEEDED_MAP_BAR = 300_000.0, 40_000.0
TRIP_BAR, SEEDED_TRIP_BAR = 1.1, 60.0

_BARE: dict[str, Any] = {"output": False, "progress": False}
_FULL: dict[str, Any] = {"output": "ordered", "progress": True}
_SEEDED: dict[str, Any] = {**_FULL, "seed": 1}
WAYS = {"bare": _BARE, "full": _FULL, "seeded": _SEEDED, "drawing": _SEEDED, "busy": _FULL}
"""`seeded` is an element that cannot draw, for which no generator is set; `drawing` is one that does."""

BUSY_SECONDS = 30e-6
"""What setting three generators takes: a round trip grows by more than an element's own time, whatever it does."""


def plus_one_later(number: int) -> int:
    """Does nothing else, but for so long."""
    until = time.perf_counter() + BUSY_SECONDS
    while time.perf_counter() < until:
        pass
    return number + 1


def draw_one(number: int) -> float:
    """Needs its generators."""
    return random.random() + number


@contextmanager
def quietly(connection: str) -> Iterator[Pool]:
    """Ours, on plan("local") if there is no connection, where progress bars go nowhere."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # the process ends with it
    with cluster(connection) if connection else local() as pool:
        yield pool


def map_turn(_pool: Pool, elements: int, way: str = "seeded") -> float:
    """Elements a second of a chunked map."""
    calls = kf.options(**WAYS[way])
    started = time.perf_counter()
    if len(calls.map(_task(way), range(elements))) != elements:
        raise AssertionError("results are missing")
    return elements / (time.perf_counter() - started)


def future_turn(_pool: Pool, trips: int, way: str = "seeded") -> float:
    """Microseconds of a future, there and back."""
    calls, task = kf.options(**WAYS[way]), _task(way)
    return _each(trips, lambda number: calls.future(task, number).result())


def one_element_turn(_pool: Pool, trips: int, way: str = "seeded") -> float:
    """Microseconds of a map of one element."""
    calls, task = kf.options(**WAYS[way]), _task(way)
    return _each(trips, lambda number: calls.map(task, [number]))


def _task(way: str) -> Callable[[int], float]:
    return {"busy": plus_one_later, "drawing": draw_one}.get(way, plus_one)


def _each(trips: int, trip: Callable[[int], object]) -> float:
    started = time.perf_counter()
    for number in range(trips):
        trip(number)
    return (time.perf_counter() - started) / trips * 1e6


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    found: list[Row] = []
    daemon = Cluster()
    try:
        daemon.start()
        for place, connection in {"local": "", "daemon": str(daemon.connection)}.items():
            ask = partial(_measure, connection)
            elements, trips = (50_000, 100) if quick else (300_000, 400)
            found += _map_rows(
                PLACES[place],
                ask(map_turn, elements, 3 if quick else 10, ["bare", "full", "seeded", "drawing"]),
            )
            for turn, what in ((future_turn, "a future"), (one_element_turn, "a map of one element")):
                found += _trip_rows(f"{what}, {PLACES[place]}", ask(turn, trips, 5 if quick else 25, WAYS))
    finally:
        daemon.close()
    return found


def _measure(
    connection: str, turn: Turn, tasks: int, rounds: int, ways: Iterable[str]
) -> dict[str, list[float]]:
    """One session for all ways: the slots of several would be replaced at each turn (R3)."""
    contender = Contender(quietly, turn, connection)
    try:
        return in_turns({way: partial(contender.take_turn, tasks, way) for way in ways}, rounds)
    finally:
        contender.close()


def _map_rows(place: str, measured: dict[str, list[float]]) -> Iterable[Row]:
    bare = f"without {_rate(measured['bare'])}"
    for name, what, bar in (
        ("full", "output and progress", MAP_BAR),
        ("seeded", "output, progress and a seed", SEEDED_MAP_BAR),
        ("drawing", "output, progress and a seed, which draws", SEEDED_MAP_BAR),
    ):
        values = measured[name]
        yield Row(
            f"chunked map with {what}, {place}", _rate(values), bare, values, bar, at_least=True, unit=" /s"
        )


def _trip_rows(what: str, measured: dict[str, list[float]]) -> Iterable[Row]:
    bare, full = measured["bare"], measured["full"]
    yield Row(
        f"{what} with output and progress", _us(full), f"without {_us(bare)}", ratios(full, bare), TRIP_BAR
    )
    for name, draws in (("seeded", ""), ("drawing", " and draws")):
        yield Row(
            f"{what} with a seed as well{draws}, what it costs", _us(measured[name]), f"without {_us(full)}",
            _more(measured[name], full), SEEDED_TRIP_BAR, unit=" us",
        )  # fmt: skip
    busy = measured["busy"]
    yield Row(
        f"{what} with an element of {BUSY_SECONDS * 1e6:.0f} us, what it costs", _us(busy), f"without {_us(full)}",
        _more(busy, full), unit=" us",
    )  # fmt: skip


def _more(ours: list[float], others: list[float]) -> list[float]:
    """Each round's own difference."""
    return [one - other for one, other in zip(ours, others, strict=True)]


def _rate(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} /s"


def _us(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} us"
