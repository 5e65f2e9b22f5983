"""One named map: what it is, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from .calls import Call
from .records import MapAccepted, SessionOpened
from .sessions import SessionState

FORGOTTEN = "The map was forgotten (kf.forget) while its results were collected."


@dataclass
class NamedMap:
    """One of them.

    Attributes:
        accepted: What it is.
        session: Whose it is.
        feeder: Who hands over its elements: the same, or the same run started anew.
        feeding: The function's number there.
        call: Its elements.
        cancelled: No more of them are run.
        cut: Its client is gone for good and had not handed over all elements.
    """

    accepted: MapAccepted
    session: SessionState
    feeder: SessionState
    feeding: int
    call: Call
    cancelled: bool = False
    cut: bool = False

    @property
    def total(self) -> int:
        """How many elements it has, or -1 while that is not known."""
        return self.call.received if self.call.complete and not self.cancelled else self.accepted.total

    @property
    def over(self) -> bool:
        """Nothing of it is run any more."""
        return self.cancelled or self.call.finished or (self.cut and self.call.settled == self.call.received)

    @property
    def problem(self) -> str:
        """Why outcomes are missing for good, as a sentence; else empty."""
        if self.cancelled:
            return f"The map {self.accepted.name!r} was cancelled. It can be removed with kf.forget."
        if self.cut and self.over:
            whole = f" of {self.accepted.total}" if self.accepted.total >= 0 else ""
            return (
                f"The map {self.accepted.name!r} is incomplete: the program that began it ended when "
                f"{self.call.received}{whole} elements had been accepted. Those are finished; "
                f"remove it with kf.forget({self.accepted.name!r}) and run it again."
            )
        return ""


@dataclass(frozen=True)
class Restored:
    """A map as the journal had it.

    Attributes:
        payloads: Its elements' arguments, None for those that have their outcome.
        complete: No more elements follow.
        troubles: How often an element had what.
        blamed: In which leases.
    """

    session: SessionOpened
    accepted: MapAccepted
    payloads: list[bytes | None]
    complete: bool
    troubles: dict[tuple[str, int], int]
    blamed: dict[tuple[str, int], tuple[int, ...]]
    cancelled: bool
