"""The wish for another number of slots, until the scheduler says that it is so."""

from __future__ import annotations

from collections.abc import Callable

from ..core.patience import wait_until
from ..protocol.messages import Message, Scale, Status
from .session import Session


class Scaling:
    """What `kf.scale` waits for.

    Args:
        session: Of the client who wishes.
        send: Takes messages for the scheduler.

    Attributes:
        wish: What was asked for and has not been answered; None when nobody waits.
    """

    def __init__(self, session: Session, send: Callable[[list[Message]], None]) -> None:
        self._session = session
        self._send = send
        self._status: Status | None = None
        self.wish: Scale | None = None

    def ask(self, slots: int, why: Callable[[], str]) -> None:
        """Changes the number of slots; returns when they are there, or draining.

        Args:
            slots: How many there are to be.
            why: Says why they are not there yet, as a clause.

        Raises:
            KubefutureError: The session broke meanwhile.
        """
        session = self._session
        with session.lock:
            self._status, self.wish = None, Scale(slots)
            self._send([self.wish])
            try:
                wait_until(
                    session.slots_changed,
                    lambda: self._status is not None or session.error is not None,
                    lambda: f"{session.slots} of {slots} workers are there, waiting: {why()}",
                )
            finally:
                self.wish = None
        if session.error is not None:
            raise type(session.error)(str(session.error))

    def answered(self, status: Status) -> None:
        """The scheduler says that it is so. The lock is held."""
        self._status = status
        self._session.slots_changed.notify_all()
