"""How much a slot is given at once, and how far ahead. Pure arithmetic."""

from __future__ import annotations

import math

from ..core.settings import CHUNK_ELEMENTS, CHUNK_SECONDS, MAX_CREDITS
from .calls import Call


def chunk_length(call: Call, slots: int) -> int:
    """How many elements the next lease of a call holds (R14).

    Guided self-scheduling: the first is one element; then as many as `CHUNK_SECONDS` of measured work,
    and never more than what is not leased yet divided by twice the number of slots, so that the end is even
    (Polychronopoulos and Kuck 1987, with a bound by time).

    Args:
        call: A call without a chunk size of its own.
        slots: How many slots there are, at least 1.
    """
    mean = call.function.mean
    if mean <= 0.0:
        return 1
    remaining = max(call.total - call.received, 0) + call.waiting
    share = math.ceil(remaining / (2 * slots))
    return max(1, min(share, int(CHUNK_SECONDS / mean), CHUNK_ELEMENTS))


def credit_limit(lease_seconds: float, round_trip: float, ahead: int) -> int:
    """How many leases a slot may have, the running one included (R13).

    What is fetched ahead can be taken back, so a generous number costs nothing.

    Args:
        lease_seconds: How long a lease takes, or 0 while that is not known.
        round_trip: Seconds until the next lease arrives.
        ahead: Always fetch at least this many ahead.
    """
    if lease_seconds <= 0.0:
        return 1 + ahead
    return 1 + min(MAX_CREDITS - 1, max(ahead, math.ceil(round_trip / lease_seconds)))
