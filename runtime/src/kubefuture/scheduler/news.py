"""What went wrong lately, in sentences: the log's last lines of that kind, for the page for browsers.

It stands in front of the log and hands on every line. What a map is called it learns from the line that opens it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ..core.events import Event, Value, parse

MOST = 12
"""So many are kept."""

_MAPS = 1000
"""The names of so many maps are remembered."""

_LONGEST = 500
"""Letters of one sentence at most."""

_ELEMENTS = {
    "element-retried": "raised an exception, and runs again",
    "element-failed": "raised an exception",
    "element-struck": "ended its process",
    "element-lost": "was lost with its worker, and runs again",
    "element-poisoned": "was given up",
}
_OTHERS = {
    "silent": "A worker does not answer",
    "expired": "A worker or a program did not come back, and was given up",
    "refused": "Somebody was refused",
    "connection-ended": "A connection was ended",
    "journal-room": "The journal's room",
    "blob-failed": "Captured data did not arrive",
    "blob-refused": "Captured data was not taken",
    "blob-unsound": "Captured data was damaged",
    "blob-unreadable": "Captured data cannot be read",
    "outcome-unknown": "An outcome was dropped",
    "clock-jumped": "The clock jumped",
}
_OPENING = ("map-opened", "map-restored")
_PLAIN = ("the number of pods cannot", "the wanted number", "cannot go on")
"""How lines begin that are no events."""


class _Trouble(NamedTuple):
    at: float
    words: str


class News:
    """A log that remembers what went wrong.

    Args:
        log: Takes every line.
        clock: Seconds since 1970.
    """

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._clock = clock
        self._troubles: deque[_Trouble] = deque(maxlen=MOST)
        self._names: dict[tuple[Value, Value], str] = {}

    def __call__(self, line: str) -> None:
        """Logs a line; any thread may."""
        self._log(line)
        word = line.partition(" ")[0]
        if word in _ELEMENTS or word in _OTHERS or word in _OPENING:
            event = parse(line)
            if event is not None:
                self._happened(event)
        elif line.startswith(_PLAIN):
            self._note(f"{line[:1].upper()}{line[1:]}")

    @property
    def troubles(self) -> list[dict[str, object]]:
        """When what went wrong, the latest first."""
        return [one._asdict() for one in reversed(list(self._troubles))]

    def _happened(self, event: Event) -> None:
        told = event.fields
        which = told.get("session"), told.get("call")
        if event.name in _OPENING:
            self._names[which] = str(told.get("name") or told.get("function") or f"map {which[1]}")
            if len(self._names) > _MAPS:
                del self._names[next(iter(self._names))]
            return
        if event.name == "expired" and "worker" not in told and "session" not in told:
            return  # somebody who had only asked something
        if event.name in _ELEMENTS:
            name = self._names.get(which, "")
            who = f"Element {told.get('element')} of {name}" if name else "A future"
            words = f"{who} {_ELEMENTS[event.name]}"
        else:
            who = str(told.get("host") or told.get("worker") or told.get("session") or "")
            words = _OTHERS[event.name] + (f" ({who})" if who else "")
        why = str(told.get("told") or told.get("reason") or told.get("room") or "").rstrip(".")
        self._note(f"{words}: {why}." if why else f"{words}.")

    def _note(self, words: str) -> None:
        self._troubles.append(_Trouble(self._clock(), words[:_LONGEST]))
