"""Sessions in a fork of the program: they are the parent's, which goes on with them over the same sockets."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Abandonable(Protocol):
    """What must not be used in a fork."""

    def abandon(self) -> None:
        """Called in the fork."""


_living: WeakSet[Abandonable] = WeakSet()

abandon_in_forks = _living.add
"""Takes note of a session, as long as it lives."""


def _abandon_all() -> None:
    for session in list(_living):
        session.abandon()


os.register_at_fork(after_in_child=_abandon_all)
