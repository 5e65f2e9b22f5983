"""How long does one task take there and back, when there is only one at a time?"""

from __future__ import annotations

import statistics
import time

from .contenders import Pool, plus_one
from .measurement import Row
from .peers import EXECUTOR, OTHERS
from .pools import PLACES, beside, measure

BARS = {"local": 0.5, "daemon": 1.2}


def turn(pool: Pool, tasks: int) -> float:
    """Seconds a round trip."""
    started = time.perf_counter()
    for number in range(tasks):
        pool.gather([pool.submit(plus_one, number)])
    return (time.perf_counter() - started) / tasks


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    standard, *others = measure(
        turn, [EXECUTOR, *OTHERS], tasks=100 if quick else 400, rounds=5 if quick else 25,
        other_rounds=3 if quick else 5,
    )  # fmt: skip
    peer = f"{standard.name} {_text(statistics.median(standard.theirs))}"
    return [
        Row(
            f"round trip, {place}", _text(statistics.median(standard.ours[key])), peer, standard.ratios(key),
            BARS[key],
        )
        for key, place in PLACES.items()
    ] + beside("round trip", others, _text)  # fmt: skip


def _text(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} us"
