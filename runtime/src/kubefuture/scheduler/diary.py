"""What the scheduler writes into its log: one line an event, in the order in which things happened.

The normal life of an element is no event, only that of its map; but what goes wrong with an element is. A map
whose elements all go wrong fills no disk: after some lines of one kind the rest is only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from ..core.events import Event, Value, line
from ..protocol.messages import Hello

MOST_LINES = 20
"""So many lines of one kind a map."""


class Diary:
    """Writes events.

    Args:
        log: Takes one line.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._counts: dict[tuple[Value, Value], Counter[str]] = {}

    def about(self, name: str, hello: Hello, /, **fields: Value) -> None:
        """Something happened to a client, a worker, or somebody with a question."""
        who = {"client": "session", "worker": "worker"}.get(hello.role, hello.role)
        self._log(line(name, **{who: hello.identity}, **fields))

    def write(self, events: Iterable[Event]) -> None:
        """What the machine says that happened."""
        for name, fields in events:
            call = fields.get("session"), fields.get("call")
            if name in ("map-opened", "map-restored"):
                self._counts.setdefault(call, Counter())
            counts = self._counts.get(call)  # futures have none: they are many, and no event ends them
            if counts is not None and name.startswith("element-"):
                counts[name] += 1
                if counts[name] > MOST_LINES:
                    continue
                if counts[name] == MOST_LINES:
                    fields = {**fields, "note": "further ones of this map are only counted"}
            self._log(line(name, **fields, **self._summary(name, call)))

    def _summary(self, name: str, call: tuple[Value, Value]) -> dict[str, Value]:
        """How often its elements had trouble, for a map that is over."""
        if name not in ("map-finished", "map-cancelled", "map-forgotten"):
            return {}
        counts = self._counts.pop(call, Counter())
        return {kind.removeprefix("element-"): count for kind, count in counts.items()}
