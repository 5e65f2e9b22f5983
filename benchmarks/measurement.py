"""Measurements taken in turns, and what they come to: medians, and quartiles of each turn's own ratio."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Attributes:
        question: What was measured.
        ours: Our measurement, with its unit.
        peer: Whose the other one is, and the other one with its unit; may be empty.
        values: What the bar is about: a ratio for each turn, or something with a unit. Empty when it could not
            be measured.
        bar: Where the bar is; None for what is only shown beside.
        at_least: It is a lower bound; otherwise an upper one.
        unit: Of the values; empty for ratios.
        note: For people; why there are no values, if there are none.
    """

    question: str
    ours: str
    peer: str
    values: list[float]
    bar: float | None = None
    at_least: bool = False
    unit: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        """The value that counts."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The spread; the extremes where there are few values."""
        if len(self.values) < 4:
            return min(self.values), max(self.values)
        first, _, third = statistics.quantiles(self.values, n=4)
        return first, third

    @property
    def reached(self) -> bool:
        """Whether the median keeps the bar, if there is one."""
        if self.bar is None:
            return True
        return self.median >= self.bar if self.at_least else self.median <= self.bar


def in_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measures all in every round, so that what disturbs the machine for a while disturbs all of them.

    Args:
        contenders: What measures once, by name.
        rounds: How many measurements each.
    """
    names = list(contenders)
    measured: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(contenders[name]())
    return measured


def ratios(ours: list[float], peers: list[float]) -> list[float]:
    """Each round's own ratio."""
    return [own / peer for own, peer in zip(ours, peers, strict=True)]
