"""Whoever waits while there is no slot is told why, however they wait (R23)."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..core.notice import say
from ..core.settings import QUIET_SECONDS
from .session import Session


class Quiet:
    """How long work has been under way without any slot.

    Args:
        session: What is under way.
        why: Asked for the reason, without a full stop.
    """

    def __init__(self, session: Session, why: Callable[[], str]) -> None:
        self._session = session
        self._why = why
        self._since: float | None = None
        self._said = False

    def look(self) -> None:
        """Says one line after a while. Hosts call it a few times a second."""
        if self._session.slots or not self._session.under_way:
            self._since, self._said = None, False
        elif self._since is None:
            self._since = time.monotonic()
        elif not self._said and time.monotonic() - self._since > QUIET_SECONDS:
            self._said = True
            say(f"no slot is connected, waiting: {self._why()}")
