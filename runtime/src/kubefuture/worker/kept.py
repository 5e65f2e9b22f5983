"""Which of an element's warnings and log records are kept, where it gives more than can be (R16).

Those of one place must not crowd out the others, as thousands of a chatty library the one that matters: where there
are too many, the place that most came from gives way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from ..core.printed import MOST_EVENTS, MOST_REPEATS, Event


class Kept:
    """What one element gave, in order. Warnings and log records are counted apart.

    Attributes:
        events: What is kept.
        left_out: Something is not.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.left_out = False
        self._origins: list[tuple[str, Hashable]] = []
        self._kinds: Counter[str] = Counter()
        self._counts: Counter[tuple[str, Hashable]] = Counter()
        self._repeats: Counter[Hashable] = Counter()

    def is_repeated(self, warning: Hashable) -> bool:
        """Whether a warning came so often that no more of it is kept; nobody is told, since Python shows it once.

        Args:
            warning: Its category, text and line.
        """
        if self._repeats[warning] >= MOST_REPEATS:
            return True
        if warning in self._repeats or len(self._repeats) < MOST_EVENTS:
            self._repeats[warning] += 1
        return False

    def add(self, event: Event, origin: Hashable) -> bool:
        """Keeps one more, if there is room or room can be made.

        Args:
            event: The warning or log record.
            origin: The place that it is from.
        """
        own = event.kind, origin
        if self._kinds[event.kind] < MOST_EVENTS:
            self._kinds[event.kind] += 1
        else:
            self.left_out = True
            most = max((one for one in self._counts if one[0] == event.kind), key=self._counts.__getitem__)
            if self._counts[most] <= self._counts[own] + 1:
                return False
            self._drop_last(most)
        self._counts[own] += 1
        self.events.append(event)
        self._origins.append(own)
        return True

    def _drop_last(self, origin: tuple[str, Hashable]) -> None:
        last = len(self._origins) - 1 - self._origins[::-1].index(origin)
        del self.events[last], self._origins[last]
        self._counts[origin] -= 1
