"""Where an element is. A call does not store this, only what it follows from (R15)."""

from __future__ import annotations

from enum import Enum

from .calls import Call
from .state import State


class Progress(Enum):
    """Where an element is."""

    QUEUED = "queued"
    LEASED = "leased"
    SETTLED = "settled"
    DROPPED = "dropped"


PROGRESS = {
    (Progress.QUEUED, Progress.LEASED): "a slot has room for it",
    (Progress.LEASED, Progress.QUEUED): "handed back, raised with a retry left, or its slot is lost",
    (Progress.LEASED, Progress.SETTLED): "its first result, its failure, or poison",
    (Progress.QUEUED, Progress.DROPPED): "its map is cancelled",
    (Progress.LEASED, Progress.DROPPED): "its map is cancelled: interrupted if it runs",
    (Progress.SETTLED, Progress.DROPPED): "its map is cancelled or forgotten",
}
"""What may follow what, and when it does."""


def progress_of(state: State, call: Call, index: int) -> Progress:
    """Where an element of a call is."""
    if call.cancelled:
        return Progress.DROPPED
    if call.is_settled(index):
        return Progress.SETTLED
    leases = (state.leases[lease] for lease in call.leases or ())
    held = any(lease.position <= index < lease.stop for lease in leases)
    return Progress.LEASED if held else Progress.QUEUED
