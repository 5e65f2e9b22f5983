"""Gives the outcomes of named maps to who fetches them, from what the journal has committed (R6)."""

from __future__ import annotations

from ..errors import JournalError
from ..machine.named import NamedMaps
from ..machine.named_map import FORGOTTEN
from ..protocol.messages import Failure, Fetch, Fetched, NotNamed, Span
from .answers import Answers
from .journal import Journal
from .party import Party

_BYTES = 1 << 20
"""So much is told at once; the next Fetch says that it has arrived."""


class Collector:
    """Answers Fetch, at once or when there is something new.

    Args:
        journal: Where outcomes are.
        named: Which maps there are.
        answers: Where answers go.
    """

    def __init__(self, journal: Journal, named: NamedMaps, answers: Answers) -> None:
        self._journal = journal
        self._named = named
        self._answers = answers
        self._parked: dict[tuple[int, int], tuple[Party, Fetch, int | None]] = {}
        self._last: dict[tuple[int, int], int] = {}

    def fetch(self, party: Party, message: Fetch) -> None:
        """Somebody wants what follows a cursor."""
        self._parked[party.number, message.call] = party, message, None
        self._try(party.number, message.call)

    def look(self) -> None:
        """Something may be new."""
        for number, call in list(self._parked):
            self._try(number, call)

    def left(self, party: Party) -> None:
        """A party is gone for good."""
        for waiting in (self._parked, self._last):
            for key in [key for key in waiting if key[0] == party.number]:
                del waiting[key]

    def _try(self, number: int, call: int) -> None:
        party, message, told = self._parked[number, call]
        known = self._named.get(message.key)
        if known is None:
            self._answer(party, NotNamed(call, FORGOTTEN))
            return
        try:
            found, cursor = self._journal.results(message.key, message.after, _BYTES)
        except JournalError as error:
            self._answer(party, NotNamed(call, str(error)))
            return
        if not found and known.over:
            # Its last outcomes may be on their way to the disk: an empty answer would be asked again at once. What
            # others record meanwhile is not waited for.
            last = self._last.setdefault((number, call), self._answers.recorded)
            if not self._answers.has(last):
                return
        if not found and told is None and not known.over:
            self._parked[number, call] = party, message, known.total
            return
        if not found and told == known.total and not known.problem:
            return
        spans = [outcome for outcome in found if isinstance(outcome, Span)]
        failures = [outcome for outcome in found if isinstance(outcome, Failure)]
        problem = "" if found else known.problem
        self._answer(party, Fetched(call, cursor, spans, failures, known.total, problem))

    def _answer(self, party: Party, answer: Fetched | NotNamed) -> None:
        for waiting in (self._parked, self._last):
            waiting.pop((party.number, answer.call), None)
        self._answers.send(party, [answer])
