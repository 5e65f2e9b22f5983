"""A warning before results fill the memory (R30)."""

from __future__ import annotations

from collections.abc import Callable

from ..core.resources import free_memory
from ..core.warn import warn_user
from ..protocol.messages import Span

_SHARE = 0.5
_SMALL = 1 << 10
"""A map whose results are no larger than this, in bytes, is not weighed: half of any memory holds them."""

_ENOUGH = 1 << 26
"""From so many bytes on that have come, or are to be expected, it is asked how much memory is free."""


class Weight:
    """What the results of a map will weigh, as far as those that have come tell.

    Args:
        name: The map's, for people.
        total: How many results there will be; None where that is not known.
        free: Tells how many bytes of memory are free, or None where nobody knows.
    """

    def __init__(self, name: str, total: int | None, free: Callable[[], int | None] = free_memory) -> None:
        self._name = name
        self._total = total
        self._free = free
        self._bytes = self._results = 0
        self._said = False
        self._ask_at = _ENOUGH

    def add(self, span: Span) -> None:
        """Results have come; they are not unpacked yet."""
        payloads = span.payloads
        if self._said or (len(payloads[0]) <= _SMALL and not self._bytes):
            return
        self._bytes += sum(map(len, payloads))
        self._results += len(payloads)
        expected = self._bytes
        if self._total is not None:
            expected = max(expected, self._bytes * self._total // self._results)
        if expected < self._ask_at:
            return
        self._ask_at = expected + expected // 4
        free = self._free()
        if free is None or expected - self._bytes <= _SHARE * free:
            return
        self._said = True
        warn_user(
            f"The results of {self._name} will take about {_text(expected)}, if the others are like {self._first}, "
            f"and {_text(free)} of memory are free. "
            "Return less of each, write them to files and return the names, or take them one by one with kf.imap."
        )

    @property
    def _first(self) -> str:
        return "the first one" if self._results == 1 else f"the first {self._results}"


def _text(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 29 else f"{size / 2**20:.0f} MiB"
