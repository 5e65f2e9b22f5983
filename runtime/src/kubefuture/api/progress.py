"""The progress of a map: a bar by default on a terminal, silence otherwise."""

from __future__ import annotations

import sys
from typing import Any

from .options import Progress

_FIRST_SHOWN = 0.5


class Meter:
    """Counts finished elements for people.

    Args:
        progress: What the user asked for.
        total: How many elements, None while unknown.
        label: What the bar says.
    """

    def __init__(self, progress: Progress, total: int | None, label: str | None) -> None:
        self._total = total
        self._done = 0
        self._bar: Any = None
        self._callback = progress if callable(progress) else None
        wanted = isinstance(progress, str) or progress is True or (progress is None and _on_terminal())
        if wanted and self._callback is None:
            from tqdm import tqdm

            description = progress if isinstance(progress, str) else label
            self._bar = tqdm(
                total=total, desc=description, delay=_FIRST_SHOWN, leave=False, dynamic_ncols=True
            )

    def add(self, elements: int) -> None:
        """More elements are finished."""
        if self._bar is not None:
            self._bar.update(elements)
        if self._callback is not None:
            for _ in range(elements):
                self._done += 1
                self._callback(self._done, self._total)

    def close(self) -> None:
        """No more will come."""
        if self._bar is not None:
            self._bar.close()


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # None where the program has closed it
