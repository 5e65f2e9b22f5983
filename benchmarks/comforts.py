"""What do the output relay, progress and seeds cost?

A map and a round trip with them stand beside the same without. The bar of a map that shows its progress goes nowhere;
a round trip is a future, and a map of one element, since futures have no progress.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import kubefuture as kf

from tests.faults.programs import Cluster

from .contenders import Contender, Pool, cluster, local, plus_one
from .measurement import Row, in_turns, ratios
from .pools import PLACES

MAP_BAR, SEEDED_MAP_BAR = 300_000.0, 40_000.0
TRIP_BAR, SEEDED_TRIP_BAR = 1.1, 60.0

_BARE: dict[str, Any] = {"output": False, "progress": False}
_FULL: dict[str, Any] = {"output": "ordered", "progress": True}
_SEEDED: dict[str, Any] = {**_FULL, "seed": 1}
WAYS = {"bare": _BARE, "full": _FULL, "seeded": _SEEDED}


@contextmanager
def with_options(connection: str, chosen: dict[str, Any]) -> Iterator[Pool]:
    """Ours with these options, on plan("local") if there is no connection."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # the process ends with it
    calls = kf.options(**chosen)
    with cluster(connection) if connection else local():
        yield Pool(calls.future, calls.map)


def map_turn(pool: Pool, elements: int) -> float:
    """Elements a second of a chunked map."""
    started = time.perf_counter()
    if len(pool.map(plus_one, range(elements))) != elements:
        raise AssertionError("results are missing")
    return elements / (time.perf_counter() - started)


def future_turn(pool: Pool, trips: int) -> float:
    """Microseconds of a future, there and back."""
    return _each(trips, lambda number: pool.submit(plus_one, number).result())


def one_element_turn(pool: Pool, trips: int) -> float:
    """Microseconds of a map of one element."""
    return _each(trips, lambda number: pool.map(plus_one, [number]))


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
            found += _map_rows(PLACES[place], ask(map_turn, elements, 3 if quick else 10))
            for turn, what in ((future_turn, "a future"), (one_element_turn, "a map of one element")):
                found += _trip_rows(f"{what}, {PLACES[place]}", ask(turn, trips, 5 if quick else 25))
    finally:
        daemon.close()
    return found


def _measure(
    connection: str, turn: Callable[[Pool, int], float], tasks: int, rounds: int
) -> dict[str, list[float]]:
    with ExitStack() as ending:
        turns = {}
        for name, chosen in WAYS.items():
            contender = Contender(with_options, turn, connection, chosen)
            ending.callback(contender.close)
            turns[name] = partial(contender.take_turn, tasks)
        return in_turns(turns, rounds)


def _map_rows(place: str, measured: dict[str, list[float]]) -> Iterable[Row]:
    bare = f"without {_rate(measured['bare'])}"
    for name, what, bar in (
        ("full", "output and progress", MAP_BAR),
        ("seeded", "output, progress and a seed", SEEDED_MAP_BAR),
    ):
        values = measured[name]
        yield Row(
            f"chunked map with {what}, {place}", _rate(values), bare, values, bar, at_least=True, unit=" /s"
        )


def _trip_rows(what: str, measured: dict[str, list[float]]) -> Iterable[Row]:
    bare, full, seeded = measured["bare"], measured["full"], measured["seeded"]
    yield Row(
        f"{what} with output and progress", _us(full), f"without {_us(bare)}", ratios(full, bare), TRIP_BAR
    )
    more = [one - other for one, other in zip(seeded, full, strict=True)]
    yield Row(
        f"{what} with a seed as well, what it costs", _us(seeded), f"without {_us(full)}", more,
        SEEDED_TRIP_BAR, unit=" us",
    )  # fmt: skip


def _rate(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} /s"


def _us(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} us"
