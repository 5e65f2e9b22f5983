"""How many tasks a second, when thousands are submitted and then collected?"""

from __future__ import annotations

import statistics
import time

from .contenders import Pool, plus_one
from .measurement import Row
from .peers import EXECUTOR, OTHERS
from .pools import PLACES, beside, measure

BARS = {"local": 4.0, "daemon": 2.5}


def turn(pool: Pool, tasks: int) -> float:
    """Tasks a second."""
    started = time.perf_counter()
    pool.gather([pool.submit(plus_one, number) for number in range(tasks)])
    return tasks / (time.perf_counter() - started)


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    standard, *others = measure(
        turn, [EXECUTOR, *OTHERS], tasks=1000 if quick else 4000, rounds=3 if quick else 15,
        other_rounds=3 if quick else 5,
    )  # fmt: skip
    peer = f"{standard.name} {_text(statistics.median(standard.theirs))}"
    return [
        Row(
            f"tasks a second, {place}", _text(statistics.median(standard.ours[key])), peer,
            standard.ratios(key), BARS[key], at_least=True,
        )
        for key, place in PLACES.items()
    ] + beside("tasks a second", others, _text)  # fmt: skip


def _text(rate: float) -> str:
    return f"{rate:,.0f}"
