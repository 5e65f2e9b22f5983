"""What the API needs of a way to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..client.session import Session


class Backend(Protocol):
    """A back end with workers of its own; the sequential one runs elements in place instead."""

    session: Session

    @property
    def n_workers(self) -> int:
        """How many slots are connected."""

    @property
    def why_no_slots(self) -> str:
        """What to tell a user who waits while there is no slot (R23)."""

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Calls a function in the I/O thread when time has passed."""

    def scale(self, slots: int) -> None:
        """Changes the number of slots and returns when they are there, or draining."""

    def close(self) -> None:
        """Ends everything of this back end that lives in this process."""
