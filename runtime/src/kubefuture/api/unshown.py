"""What calls printed whose results nobody asks for: an executor shows it, too, as processes of a pool would."""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress
from typing import Any

from ..core.printed import Printed
from ..core.relay import relay

_silent: set[Unshown] = set()
"""Those that have something to show."""


class Unshown:
    """What the calls of one executor printed that may still have to be shown.

    That of a future which nobody has any more is shown in the next call to the executor; the rest when that is shut
    down or the program ends, in the order of submission.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], list[Printed]]] = {}
        self._due: deque[list[Printed]] = deque()

    def done(self, future: Any) -> None:
        """A future is done. It shares what it printed with this: whoever shows it takes it out."""
        if future.printed:
            number = future._call.id
            self._known[number] = (weakref.ref(future, lambda _: self._gone(number)), future.printed)
            _silent.add(self)

    def show(self, *, rest: bool = False) -> None:
        """Shows what nobody can ask for any more; the rest as well, if it is said so."""
        if rest:
            for number in sorted(self._known):
                self._gone(number)
            _silent.discard(self)
        while self._due:
            with suppress(IndexError, Warning):  # shown in this moment; a filter that makes warnings errors
                relay(self._due.popleft().pop(), 0)

    def forget(self) -> None:
        """In a fork of the program: it is for the parent to show."""
        self._known.clear()
        self._due.clear()
        _silent.discard(self)

    def _gone(self, number: int) -> None:  # by the garbage collector, too, so at any moment
        known = self._known.pop(number, None)
        if known is not None and known[1]:
            self._due.append(known[1])


def show_all() -> None:
    """The program ends."""
    for unshown in list(_silent):
        unshown.show(rest=True)
