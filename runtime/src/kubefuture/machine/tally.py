"""How a map is doing at the moment, for whoever watches it."""

from __future__ import annotations

from ..core.settings import LOSSES, STRIKES
from ..protocol.messages import Tally
from .calls import Call
from .state import State


def tally(state: State, call: Call, watched_as: int) -> Tally:
    """What a client is told of a call.

    Args:
        state: What there is.
        call: The call.
        watched_as: The client's id for it.
    """
    leases = (state.leases[lease] for lease in call.leases or ())
    running = {id(lease.slot) for lease in leases if next(iter(lease.slot.leases.values())) is lease}
    most = {"retry": call.retries, "strike": STRIKES - 1, "loss": LOSSES - 1}
    retried = sum(min(count, most[trouble]) for trouble, count in call.troubles())
    return Tally(watched_as, len(running), retried)
