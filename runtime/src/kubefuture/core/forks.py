"""Sessions and connections in a fork of the program: they are the parent's, which goes on with them.

A copy of a socket would keep its connection alive when the parent is killed, so the fork closes it. It ends
nothing by that: neither does the other side notice, nor is the parent's own descriptor touched.
"""

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
"""Takes note of what is the parent's, as long as it lives."""


def replace_by_nothing(handle: int) -> None:
    """Closes a descriptor that an event loop still counts as its own: the number is not given to anything else."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, handle, inheritable=False)
    os.close(nothing)


def _abandon_all() -> None:
    for found in list(_living):
        found.abandon()


os.register_at_fork(after_in_child=_abandon_all)
