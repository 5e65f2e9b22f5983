"""Elements that run longer than they may: noticed from outside, since a C call may hold the slot's GIL (R22).

A slot's page says which element it is on. Whoever finds it there twice, with the limit between, knows that
the element has run for that long at least, so none is ever stopped early.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

from ..core.elements import overrun as error_of
from ..core.given import GIVEN_BYTES, Given
from ..core.printed import Printed, peel, wrap
from ..core.raised import Place, pack_exception
from ..protocol.messages import AnyMessage, Done, Function, Lease, Part, Raised


class Overrun(NamedTuple):
    """An element that ran longer than it may.

    Attributes:
        limit: How long it may run, in seconds.
        given: Its packed arguments.
        process: Where it runs, for people.
    """

    lease: int
    element: int
    limit: float
    given: Given = Given()
    process: str = ""


class Stopwatch:
    """How long a slot has been on its element.

    Attributes:
        limits: Seconds by function, for those that have a limit.
        process: Where the slot is, for people.
    """

    def __init__(self) -> None:
        self.limits: dict[int, float] = {}
        self.process = ""
        self._functions: dict[int, Function] = {}
        self._leases: dict[int, Lease] = {}
        self._seen = 0, -1
        self._since = 0.0

    def learn(self, functions: Sequence[Function], forget: Sequence[int]) -> None:
        """The slot gets functions, and forgets some."""
        for forgotten in forget:
            self.limits.pop(forgotten, None)
            self._functions.pop(forgotten, None)
        for function in functions:
            if function.limit:
                self.limits[function.id] = function.limit
                self._functions[function.id] = function

    def leased(self, lease: Lease, alive: Container[int]) -> None:
        """The slot gets a lease; those that are not alive are over."""
        if lease.function in self.limits:
            self._leases = {old.id: old for old in self._leases.values() if old.id in alive}
            self._leases[lease.id] = lease

    def look(self, lease: int, index: int, function: int, now: float) -> Overrun | None:
        """The slot is on this element now, which is of this function; returns it if that is too long."""
        if self._seen != (lease, index):
            self._seen, self._since = (lease, index), now
        limit = self.limits.get(function)
        if limit is None or now - self._since < limit:
            return None
        return Overrun(lease, index, limit, self._given(lease, index), self.process)

    def _given(self, lease: int, index: int) -> Given:
        known = self._leases.get(lease)
        function = None if known is None else self._functions.get(known.function)
        if known is None or function is None or not 0 <= index - known.start < len(known.payloads):
            return Given()
        payload = known.payloads[index - known.start]
        return Given(payload if len(payload) <= GIVEN_BYTES else b"", function.own_seeds, function.bare)


def verdict(overrun: Overrun, *, end: bool, printed: Printed | None = None) -> Raised:
    """What is said of the element: that its function raised a TimeoutError, and what it printed."""
    place = Place(process=overrun.process)
    error = pack_exception(error_of(overrun.element, overrun.limit), place, overrun.given)
    if printed is not None:
        error = wrap(printed, error)
    return Raised(overrun.lease, overrun.element, error, overrun.limit, end)


def judged(messages: Sequence[AnyMessage], overrun: Overrun) -> list[AnyMessage]:
    """What a slot said, where whatever it said of the element that was too long is the verdict.

    Even a result: what a function returns that was interrupted may be half of it.
    """
    told: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, Raised) and (message.lease, message.index) == overrun[:2]:
            told.append(verdict(overrun, end=message.end, printed=peel(message.payload)[0]))
        elif isinstance(message, Done):
            for part in message.parts:
                told.extend(_judged_part(part, overrun))
        else:
            told.append(message)
    return told


def _judged_part(part: Part, overrun: Overrun) -> list[AnyMessage]:
    place = overrun.element - part.start
    if part.lease != overrun.lease or not 0 <= place < len(part.payloads):
        return [Done([part])]
    told: list[AnyMessage] = []
    if place:
        told.append(Done([Part(part.lease, part.start, part.payloads[:place], part.seconds, False)]))
    rest = part.payloads[place + 1 :]
    told.append(verdict(overrun, end=part.end and not rest, printed=peel(part.payloads[place])[0]))
    if rest:
        told.append(Done([Part(part.lease, overrun.element + 1, rest, 0.0, part.end)]))
    return told
