"""The progress of a map: a bar by default where somebody looks, silence otherwise."""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import Any

from ..core.context import current_element
from ..protocol.messages import Tally
from .options import Progress

_COLUMNS, _ROWS = 80, 24
_FIRST_SHOWN = 0.5
"""Seconds: a bar for less only flickers."""


class Meter:
    """Counts finished elements for people.

    Inside an element there is never a bar: it would be part of the element's output.

    Args:
        progress: What the user asked for.
        total: How many elements, None while unknown.
        label: What the bar says.
    """

    def __init__(self, progress: Progress, total: int | None, label: str | None) -> None:
        self._total = total
        self._done = 0
        self._failed = 0
        self._bar: Any = None
        self._tally: Tally | None = None
        self._workers: int | None = None
        self._callback = progress if callable(progress) else None
        self._description = progress if isinstance(progress, str) else label
        asked = isinstance(progress, str) or progress is True
        wanted = asked or (progress is None and (_on_terminal() or _in_notebook()))
        self._began = time.monotonic(), time.time()
        self.shows = wanted and self._callback is None and current_element() is None
        """Whether `look` has something to show."""

    def add(self, elements: int, failed: int = 0) -> None:
        """More elements are finished, some of them with an error."""
        if self._callback is not None:
            for _ in range(elements):
                self._done += 1
                self._callback(self._done, self._total)
        elif self.shows:
            self._done += elements
            self._failed += failed
            if self._is_there():
                self._bar.update(self._done - self._bar.n)
                if self._failed:
                    self._describe()

    def look(self, tally: Tally | None, workers: int) -> None:
        """Shows what goes on, also while nothing is finished.

        Args:
            tally: What the scheduler says of the map, None while it has said nothing.
            workers: How many are connected.
        """
        self._tally, self._workers = tally, workers
        if self._is_there():
            self._describe()

    def _describe(self) -> None:
        counts: list[tuple[int, str]] = []
        if self._workers is not None:  # None where elements run in this process
            counts.append((self._workers, "worker" if self._workers == 1 else "workers"))
        if self._tally is not None:
            counts += [(self._tally.running, "running"), (self._tally.retried, "retried")]
        counts.append((self._failed, "failed"))
        said = [f"{count} {word}" for count, word in counts if count or word in ("workers", "running")]
        self._bar.set_postfix_str(", ".join(said))

    def _is_there(self) -> bool:
        """Whether it takes so long that there is a bar."""
        if self._bar is None and time.monotonic() - self._began[0] >= _FIRST_SHOWN:
            size = {"ncols": _COLUMNS, "nrows": _ROWS} if _has_no_size() else {"dynamic_ncols": True}
            self._bar = _tqdm()(
                total=self._total, desc=self._description, initial=self._done, leave=False, **size
            )
            self._bar.start_t = self._began[1]
            self._bar.initial = 0  # its rate is that of the whole map
        return self._bar is not None

    def close(self) -> None:
        """No more will come."""
        if self._bar is not None:
            self._bar.close()


def _tqdm() -> Any:
    with warnings.catch_warnings():  # where a notebook lacks its widgets the bar is of text
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    return tqdm


def _on_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()  # None where the program began without one
    except ValueError:  # it was closed since
        return False


def _has_no_size() -> bool:
    """Whether it is a terminal of no columns and rows, as containers have them: there tqdm would write nothing."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns == 0
    except (OSError, ValueError, AttributeError):
        return False


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return any(
        kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__
    )  # Colab's is derived from it
