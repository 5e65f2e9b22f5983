"""How many elements a second does a map of next to nothing have, when every element has a result of its own?"""

from __future__ import annotations

import statistics
import time

from .contenders import Pool, plus_one
from .measurement import Row
from .peers import DASK, IPYPARALLEL, MPIRE, POOL, RAY
from .pools import PLACES, beside, measure

BAR = 1.0
PEERS = [POOL, MPIRE, RAY, DASK, IPYPARALLEL]
"""Those that form chunks by themselves."""


def turn(pool: Pool, elements: int) -> float:
    """Millions of elements a second."""
    map_chunked = pool.map_chunked or pool.map
    started = time.perf_counter()
    results = map_chunked(plus_one, range(elements))
    seconds = time.perf_counter() - started
    if results != list(range(1, elements + 1)):
        raise AssertionError("the results are wrong")
    return elements / seconds / 1e6


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    measured = measure(
        turn, PEERS, tasks=200_000 if quick else 1_000_000, rounds=3 if quick else 10,
        other_tasks=20_000 if quick else 100_000, other_rounds=1 if quick else 3,
    )  # fmt: skip
    ours = measured[0].ours
    bars = {"local": BAR, "daemon": None}
    return [
        Row(
            f"chunked map, {place}", _text(statistics.median(ours[key])), "", ours[key], bars[key],
            at_least=True, unit=" M/s",
        )
        for key, place in PLACES.items()
    ] + beside("chunked map", measured, _text)  # fmt: skip


def _text(millions: float) -> str:
    return f"{millions:.3g} M/s"
