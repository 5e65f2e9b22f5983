"""Options of a call, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..core.numeric import seconds, whole
from ..core.rng import Seed
from ..errors import PlanError

_NAME_LENGTH = 200

Output = Literal["ordered", "live", False]
"""What becomes of what elements print, warn and log: relayed in their order, or as it comes, or dropped."""

Progress = bool | str | Callable[[int, int | None], object] | None
"""None: a bar on a terminal. False: nothing. A string: a bar with this description. A callable is given
the number of finished elements and of all (None while that is unknown)."""


@dataclass(frozen=True)
class Options:
    """How a call runs.

    Attributes:
        seed: None, True, an integer, a SeedSequence, or for maps a list of them (R24).
        timeout: Seconds for the whole call.
        task_timeout: Seconds that one element may run (R22).
        retries: How often an element whose function raised runs again.
        chunk_size: Elements a chunk; None lets the scheduler choose by measured time.
        on_error: "raise" the first error, or "return" errors in their elements' places.
        progress: See `Progress`.
        label: A name for people, in messages and the progress bar.
        output: See `Output`.
        name: A map's name in the scheduler's journal, so that it outlives this program (R5).
    """

    seed: Seed = None
    timeout: float | None = None
    retries: int = 0
    chunk_size: int | None = None
    on_error: Literal["raise", "return"] = "raise"
    progress: Progress = None
    label: str | None = None
    task_timeout: float | None = None
    name: str | None = None
    output: Output = "ordered"

    def __post_init__(self) -> None:
        if self.timeout is not None:
            self._set("timeout", seconds(self.timeout), "number of seconds")
        if self.task_timeout is not None:
            limit = seconds(self.task_timeout)
            self._set(
                "task_timeout", limit if limit is None or limit > 0 else None, "number of seconds above 0"
            )
        if self.retries != 0 or type(self.retries) is not int:
            self._set("retries", whole(self.retries, 0), "whole number of at least 0")
        if self.chunk_size is not None:
            self._set("chunk_size", whole(self.chunk_size, 1), "whole number of at least 1")
        if self.progress is not None and not (
            isinstance(self.progress, (bool, str)) or callable(self.progress)
        ):
            raise PlanError(
                f"progress={self.progress!r}; it can be True, False, a text that the bar begins with, or a function of "
                "how many elements are done and of how many."
            )
        if self.label is not None and not isinstance(self.label, str):
            raise PlanError(f"label={self.label!r}; it can be a text.")
        if self.name is not None and not _is_name(self.name):
            raise PlanError(
                f"name={self.name!r}; it can be a text of 1 to {_NAME_LENGTH} characters that can be printed."
            )
        if self.output not in ("ordered", "live") and self.output is not False:
            raise PlanError(f"output={self.output!r}; it can be 'ordered', 'live' or False.")
        if self.on_error not in ("raise", "return"):
            raise PlanError(f"on_error={self.on_error!r}; it can be 'raise' or 'return'.")

    def _set(self, name: str, number: float | None, wanted: str) -> None:
        """Keeps a number as Python's own, whatever type it had."""
        if number is None:
            raise PlanError(f"{name}={getattr(self, name)!r} is no {wanted}.")
        object.__setattr__(self, name, number)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _NAME_LENGTH and value.isprintable()
