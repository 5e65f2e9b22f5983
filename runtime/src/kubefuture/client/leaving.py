"""What has to be waited for before a program may leave."""

from __future__ import annotations

import time

from ..core.settings import ACCEPT_SECONDS
from .session import Session


def wait_for_the_journal(session: Session) -> bool:
    """Waits until named work that was begun is the scheduler's: its journal has all of it (R5).

    Returns:
        Whether it has, or the session is broken anyway.
    """
    deadline = time.monotonic() + ACCEPT_SECONDS
    with session.lock:
        while session.error is None and (call := session.unaccepted) is not None:
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            call.changed.wait(left)
    return True
