"""What an element prints while it runs, for who asked to see it live.

    slot ══ its two files ══> look, a few times a second ── PrintedLease ──> scheduler ──> client

Only looked at: the element's outcome takes all of it along as ever, and the client leaves out what it has shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..core.printed import MOST_BYTES
from ..protocol.messages import Function, PrintedLease

_AT_ONCE = 64 << 10
"""So many bytes of a stream are told at once."""

_MOST = MOST_BYTES // 2
"""So much of an element's stream is told while it runs: as much as is surely at the beginning of what is kept."""


class LiveOutput:
    """What has been told of one slot's element."""

    def __init__(self) -> None:
        self._functions: set[int] = set()
        self._place = 0, -1
        self._told = 0, 0

    def learn(self, functions: Sequence[Function], forget: Sequence[int]) -> None:
        """The slot gets functions, and forgets some."""
        self._functions.difference_update(forget)
        self._functions.update(function.id for function in functions if function.live)

    def look(
        self,
        place: Callable[[], tuple[int, int]],
        leases: Mapping[int, int],
        read: Callable[[int, int, int], bytes],
    ) -> PrintedLease | None:
        """What is new, in whole lines as far as there are any.

        Args:
            place: The lease and the element that the slot is on.
            leases: The function of each lease.
            read: Reads a stream (0 or 1) from an offset on, at most so many bytes.
        """
        if not self._functions:
            return None
        here = lease, index = place()
        if leases.get(lease) not in self._functions:
            return None
        if here != self._place:
            self._place, self._told = here, (0, 0)
        before = self._told
        stdout, stderr = (
            _whole_lines(read(stream, told, min(_AT_ONCE, _MOST - told)))
            for stream, told in enumerate(before)
        )
        if not (stdout or stderr) or place() != here:  # else it may be the next element's
            return None
        self._told = before[0] + len(stdout), before[1] + len(stderr)
        return PrintedLease(lease, index, before, stdout, stderr)


def _whole_lines(content: bytes) -> bytes:
    return content if len(content) >= _AT_ONCE else content[: content.rfind(b"\n") + 1]
