"""How near to a perfect schedule is a map whose elements differ a hundredfold?

Most elements sleep 2 ms, one in a hundred 200 ms: at places that are shuffled but always the same, or all at the end.
A perfect schedule keeps both workers busy to the end, so it takes half of the sum.
"""

from __future__ import annotations

import random
import statistics
import time
from functools import partial

from .contenders import WORKERS, Pool
from .measurement import Row
from .peers import OTHERS, POOL
from .pools import PLACES, beside, measure

SHORT, LONG = 0.002, 0.2
BAR = 1.1
ORDERS = {"shuffled": "skewed map, shuffled", "last": "skewed map, long ones last"}


def durations(elements: int, order: str) -> list[float]:
    """Seconds of each element.

    Args:
        elements: How many, at least 100.
        order: A key of ORDERS.
    """
    seconds = [SHORT] * (elements - elements // 100) + [LONG] * (elements // 100)
    if order == "shuffled":
        random.Random(1).shuffle(seconds)
    return seconds


def wait(seconds: float) -> None:
    """One element."""
    time.sleep(seconds)


def turn(pool: Pool, elements: int, order: str) -> float:
    """The map's length, as a multiple of the perfect one."""
    seconds = durations(elements, order)
    started = time.perf_counter()
    pool.map(wait, seconds)
    return (time.perf_counter() - started) / (sum(seconds) / WORKERS)


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    elements = 400 if quick else 2000
    found: list[Row] = []
    for order, question in ORDERS.items():
        measured = measure(
            partial(turn, order=order), [POOL, *OTHERS], tasks=elements, rounds=2 if quick else 5,
            other_rounds=1 if quick else 2,
        )  # fmt: skip
        ours = measured[0].ours
        perfect = f"perfect {sum(durations(elements, order)) / WORKERS:.2f} s"
        found += [
            Row(f"{question}, {place}", _text(statistics.median(ours[key])), perfect, ours[key], BAR)
            for key, place in PLACES.items()
        ]
        found += beside(question, measured, _text)
    return found


def _text(multiple: float) -> str:
    return f"{multiple:.2f} of perfect"
