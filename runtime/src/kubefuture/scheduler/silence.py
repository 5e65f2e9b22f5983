"""Workers that are connected and do not answer: stopped, frozen with their machine, or lying.

Their kernel still answers for them, so the connection lives, and without this nobody would know why a map waits.

    it speaks    any message, or an Ack every SIGN_SECONDS
    it reads     it acknowledges what it is sent, or takes it out of our buffer

For whoever does not speak, or does not read what there is, for SILENT_SECONDS the log has a line, and another one when
it does. Who does not speak is given nothing more meanwhile, as if its connection had ended. But it is not taken for
dead: what it has stays its own, as it may be done with it in a moment.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.settings import SILENT_SECONDS
from ..machine.machine import Machine
from .diary import Diary
from .party import Party

_LONGEST_STEP = 1.0
"""Between two looks at most this many seconds count: if there were more, it was us who did not listen."""

_MUTE = "it says nothing: is it stopped, or its machine overloaded?"


class _Signs:
    """What was seen of one worker, and for how many seconds it has been the same."""

    def __init__(self) -> None:
        self.said = self.read = (0, 0)
        self.unheard = self.unread = 0.0
        self.trouble = ""
        self.is_away = False


class Silence:
    """Looks after the workers that are connected.

    Args:
        diary: Told who does not answer, and who answers again.
        machine: Told who is to get nothing more for now.
    """

    def __init__(self, diary: Diary, machine: Machine) -> None:
        self._diary = diary
        self._machine = machine
        self._last = 0.0
        self._signs: dict[int, _Signs] = {}

    def look(self, parties: Iterable[Party], now: float) -> None:
        """Looks at the workers, a few times a second.

        Args:
            parties: Everybody, also who is away.
            now: Seconds from any fixed point.
        """
        step, self._last = min(now - self._last, _LONGEST_STEP), now
        before, self._signs = self._signs, {}
        for party in parties:
            if party.hello.role != "worker" or party.peer is None:
                continue
            signs = self._signs[party.number] = before.get(party.number) or _Signs()
            said, read = (party.peer.number, party.arrivals), party.progress
            signs.unheard = signs.unheard + step if said == signs.said else 0.0
            signs.unread = signs.unread + step if read == signs.read and party.conversation.kept else 0.0
            signs.said, signs.read = said, read
            before_now, signs.trouble = signs.trouble, _trouble(signs)
            if signs.trouble == before_now:
                continue
            if not signs.trouble:
                self.heard(party, now)
                self._diary.about("heard", party.hello)
                continue
            seconds = max(signs.unheard, signs.unread)
            self._diary.about("silent", party.hello, seconds=seconds, told=signs.trouble)
            if signs.trouble == _MUTE:
                signs.is_away = True
                self._machine.away(party.number)

    def heard(self, party: Party, now: float) -> None:
        """Somebody has just said something: from now on it is given work again."""
        signs = self._signs.get(party.number)
        if signs is not None and signs.is_away:
            signs.is_away = False
            self._machine.back(party.number, now)


def _trouble(signs: _Signs) -> str:
    """What is the matter with a worker, for people; empty if nothing is."""
    if signs.unheard >= SILENT_SECONDS:
        return _MUTE
    return "it does not read what it is sent" if signs.unread >= SILENT_SECONDS else ""
