"""How many tasks a second, when thousands are submitted and then collected?"""

from __future__ import annotations

import statistics
import time

from .contenders import Submit, plus_one
from .measurement import Row, ratios
from .pools import measure


def turn(submit: Submit, tasks: int) -> float:
    """Tasks a second."""
    started = time.perf_counter()
    for future in [submit(plus_one, number) for number in range(tasks)]:
        future.result()
    return tasks / (time.perf_counter() - started)


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    executor, local, cluster = measure(turn, tasks=1000 if quick else 4000, rounds=3 if quick else 15)
    peer = _text(executor)
    return [
        Row("tasks a second, plan local", _text(local), peer, ratios(local, executor), 3.0, at_least=True),
        Row(
            "tasks a second, through the daemon", _text(cluster), peer, ratios(cluster, executor), 2.0,
            at_least=True,
        ),
    ]  # fmt: skip


def _text(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f}"
