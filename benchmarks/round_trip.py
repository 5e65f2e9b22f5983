"""How long does one task take there and back, when there is only one at a time?"""

from __future__ import annotations

import statistics
import time

from .contenders import Submit, plus_one
from .measurement import Row, ratios
from .pools import measure


def turn(submit: Submit, tasks: int) -> float:
    """Seconds a round trip."""
    started = time.perf_counter()
    for number in range(tasks):
        submit(plus_one, number).result()
    return (time.perf_counter() - started) / tasks


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    executor, local, cluster = measure(turn, tasks=100 if quick else 400, rounds=5 if quick else 25)
    peer = _text(executor)
    return [
        Row("round trip, plan local", _text(local), peer, ratios(local, executor), 0.6),
        Row("round trip, through the daemon", _text(cluster), peer, ratios(cluster, executor), 1.5),
    ]


def _text(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e6:.0f} us"
