"""What calls printed whose results nobody asks for: it is shown, too, as processes of a pool would."""

from __future__ import annotations

import atexit
import weakref
from collections import deque
from contextlib import suppress
from typing import Any

from ..core.printed import Printed
from ..core.relay import AsItComes, relay

_silent: set[Unshown] = set()
"""Those that have something to show."""


class Unshown:
    """What the calls of one executor, or the single futures, printed that may still have to be shown.

    That of a future which nobody has any more is shown with the next call; the rest when the executor is shut down or
    the program ends, in the order of submission.

    Attributes:
        due: What `show` would show now.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[weakref.ref[Any], list[Printed], AsItComes | None]] = {}
        self.due: deque[tuple[list[Printed], AsItComes | None]] = deque()

    def done(self, future: Any) -> None:
        """A future is done."""
        if future.printed:
            self.keep(future, future._call.id)

    def keep(self, future: Any, number: int) -> None:
        """A future has printed something, and shares it with this: whoever shows it takes it out.

        Args:
            future: The future.
            number: Its place among others.
        """
        place = number, id(future)  # another plan counts anew
        alive = weakref.ref(future, lambda _: self._gone(place))
        self._known[place] = alive, future.printed, future.output
        _silent.add(self)

    def show(self, *, rest: bool = False) -> None:
        """Shows what nobody can ask for any more; the rest as well, if it is said so."""
        if rest:
            for place in sorted(self._known):
                self._gone(place)
            _silent.discard(self)
        while self.due:
            with suppress(IndexError, Warning):  # shown in this moment; a filter that makes warnings errors
                printed, output = self.due.popleft()
                relay(printed.pop(), 0) if output is None else output.keep(0, printed.pop())

    def abandon(self) -> None:
        """In a fork of the program: it is for the parent to show."""
        self._known.clear()
        self.due.clear()
        _silent.discard(self)

    def _gone(self, place: tuple[int, int]) -> None:  # by the garbage collector, too, so at any moment
        known = self._known.get(place)
        if known is not None and known[1]:
            self.due.append(known[1:])  # before it is forgotten: another thread may be about to show the rest
        self._known.pop(place, None)


@atexit.register
def show_all() -> None:
    """The program ends."""
    for unshown in list(_silent):
        unshown.show(rest=True)
