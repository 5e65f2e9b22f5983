"""What has to be waited for before a program may leave."""

from __future__ import annotations

import time

from ..core.notice import say
from ..core.settings import ACCEPT_SECONDS
from .named import NamedCall
from .session import Session


def cut_short(session: Session, call: NamedCall) -> None:
    """Nobody reads on the inputs of a named map: it has the elements that were read, and the user is told so."""
    with session.lock:
        if call.complete or call.cancelled or session.error is not None:
            return
        session.add_elements(call, [], last=True)
        elements = len(call.payloads)
    say(f"the map {call.naming.name!r} has {elements} elements: its inputs were read no further")


def wait_for_the_journal(session: Session) -> bool:
    """Waits until named work that was begun is the scheduler's: its journal has all of it (R5).

    Returns:
        Whether it has, or the session is broken anyway.
    """
    deadline = time.monotonic() + ACCEPT_SECONDS
    with session.lock:
        while session.error is None and (call := session.unaccepted) is not None:
            cut_short(session, call)
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            call.changed.wait(left)
    return True
