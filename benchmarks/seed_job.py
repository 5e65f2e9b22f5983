"""What does the main job cost compared with bare processes? The mean of 1e7 normal draws for 40 elements.

The peer are two plain processes, started beforehand, which do 20 elements each and seed NumPy themselves.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection

import kubefuture as kf
import numpy as np

from tests.faults.programs import Cluster

from .contenders import WORKERS, Contender, Pool, cluster, local
from .measurement import Row, in_turns, ratios

ELEMENTS = 40
DRAWS = 10_000_000


def mean_of_draws(draws: int) -> float:
    """One element, with NumPy's global generator, as a user writes it."""
    return float(np.random.normal(size=draws).mean())


def turn(_pool: Pool, draws: int) -> float:
    """Seconds of the whole map, on the plan that its process has chosen."""
    started = time.perf_counter()
    kf.map(mean_of_draws, [draws] * ELEMENTS, seed=1)
    return time.perf_counter() - started


class PlainProcesses:
    """Two processes and a pipe to each."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        for number in range(WORKERS):
            ours, theirs = context.Pipe()
            context.Process(target=_plain, args=(theirs, number), daemon=True).start()
            ours.recv()
            self._pipes.append(ours)

    def close(self) -> None:
        """Ends them."""
        for pipe in self._pipes:
            pipe.send(0)

    def take_turn(self, draws: int) -> float:
        """Seconds until both have done their half."""
        started = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(draws)
        for pipe in self._pipes:
            pipe.recv()
        return time.perf_counter() - started


def _plain(pipe: Connection, number: int) -> None:
    mean_of_draws(1000)
    pipe.send([])
    while draws := pipe.recv():
        means = []
        for element in range(number, ELEMENTS, WORKERS):
            np.random.seed(element)
            means.append(mean_of_draws(draws))
        pipe.send(means)


def rows(quick: bool, draws: int = DRAWS) -> list[Row]:
    """Measures it.

    Args:
        quick: Few draws, few rounds.
        draws: How many draws an element.
    """
    draws = min(draws, 1_000_000) if quick else draws
    with ExitStack() as ending:
        plain = PlainProcesses()
        ending.callback(plain.close)
        daemon = ending.enter_context(Cluster(WORKERS))
        ours = Contender(local, turn), Contender(cluster, turn, str(daemon.connection))
        for contender in ours:
            ending.callback(contender.close)
        contenders: dict[str, Callable[[int], float]] = {
            "plain": plain.take_turn, "local": ours[0].take_turn, "cluster": ours[1].take_turn,
        }  # fmt: skip
        for take_turn in contenders.values():
            take_turn(1000)
        measured = in_turns(
            {name: lambda each=each: each(draws) for name, each in contenders.items()},  # type: ignore[misc]
            3 if quick else 5,
        )
    peer = _text(measured["plain"])
    what = f"{ELEMENTS} means of {draws:.0e} draws".replace("e+0", "e")
    places = {"local": "plan local", "cluster": "through the daemon"}
    return [
        Row(f"{what}, {place}", _text(measured[name]), peer, ratios(measured[name], measured["plain"]), 1.05)
        for name, place in places.items()
    ]


def _text(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"
