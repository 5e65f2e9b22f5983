"""Results in the middle of a lease, gathered for up to 50 ms, so that fewer messages go to the scheduler (R14)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..core.settings import GATHER_BYTES, GATHER_SECONDS
from ..protocol.messages import Done, Message, Part


class Gathering:
    """Between the slots, which hand results over every millisecond, and what reports to the scheduler.

    What ends a lease, and all that is no result, goes on at once, behind what was gathered: the order stays.

    Args:
        loop: Its timer.
        report: Takes messages for the scheduler.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Callable[[Sequence[Message]], None]) -> None:
        self._loop = loop
        self._pass_on = report
        self._parts: dict[int, list[Part]] = {}
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def report(self, messages: Sequence[Message]) -> None:
        """Takes messages from a slot."""
        if not messages:
            return
        results = [message for message in messages if isinstance(message, Done)]
        parts = [part for message in results for part in message.parts]
        if len(results) < len(messages) or any(part.end for part in parts):
            self.flush(messages)
            return
        for part in parts:
            self._parts.setdefault(part.lease, []).append(part)
            self._bytes += sum(map(len, part.payloads))
        if self._bytes > GATHER_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(GATHER_SECONDS, self.flush)

    def flush(self, behind: Sequence[Message] = ()) -> None:
        """Passes on what was gathered, and messages that come behind it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._parts:
            parts = [joined(parts) for parts in self._parts.values()]
            self._parts, self._bytes = {}, 0
            behind = [Done(parts), *behind]
        if behind:
            self._pass_on(behind)


def joined(parts: Sequence[Part]) -> Part:
    """Parts of one lease that follow one another, as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    payloads = [payload for part in parts for payload in part.payloads]
    return Part(first.lease, first.start, payloads, sum(part.seconds for part in parts), end=False)
