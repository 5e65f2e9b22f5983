"""Whoever wants the same numbers again is told when the workers' CPUs may round differently (R12, R24)."""

from __future__ import annotations

import threading

from ..core.cpu_type import cpu_type
from ..core.notice import say
from .session import Session


class Bits:
    """What was said of the workers' CPUs: each type once, and only when something has a seed.

    Args:
        session: What was sent, and who is connected.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said = {cpu_type()}
        self._saying = threading.Lock()

    def look(self) -> None:
        """Says one line about CPUs that were not here before. Hosts call it now and then."""
        if not self._session.functions.seeded:
            return
        with self._saying:  # the end of the plan looks as well, in another thread
            others = [cpu for cpu in self._session.cpus if cpu not in self._said]
            self._said.update(others)
        if not others:
            return
        say(
            f"the workers' CPUs ({', '.join(others)}) are of another type than this machine's ({cpu_type()}): all "
            "draws are the same, but results that are computed from them may differ in their last digits"
        )
