"""What the keeper does next: a pure machine, without processes, files or clock.

Programs start one after the other. Later one that exits rests, longer each time, and starts again. They end the
other way round: SIGTERM, then SIGKILL when the grace is over.

Every method takes the time in seconds and returns what to do now.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.transitions import checked

FIRST_REST = 0.1
LONGEST_REST = 10.0
"""Seconds before a program that exited is started again: doubled from the first to the longest."""

GOOD_LIFE = 30.0
"""A program that lived this many seconds is forgiven its earlier exits."""


@dataclass(frozen=True)
class Start:
    """Start this program."""

    name: str


@dataclass(frozen=True)
class Send:
    """Send this program a signal."""

    name: str
    signal: int


@dataclass(frozen=True)
class Up:
    """All programs are ready for the first time: tell who asked for it."""


@dataclass(frozen=True)
class Finish:
    """Everything has ended. The reason is empty when that was asked for."""

    reason: str


Action = Start | Send | Up | Finish


class Phase(enum.Enum):
    """Where a program stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTING = "resting"
    ENDING = "ending"
    ENDED = "ended"


PHASES = {
    (Phase.WAITING, Phase.STARTING): "it is its turn",
    (Phase.STARTING, Phase.READY): "it says so",
    (Phase.STARTING, Phase.RESTING): "it exits; all were up before",
    (Phase.READY, Phase.RESTING): "it exits",
    (Phase.RESTING, Phase.STARTING): "it has rested",
    (Phase.STARTING, Phase.ENDING): "everything is to end",
    (Phase.READY, Phase.ENDING): "everything is to end",
    (Phase.ENDING, Phase.ENDED): "it exits",
    (Phase.WAITING, Phase.ENDED): "everything is to end",
    (Phase.RESTING, Phase.ENDED): "everything is to end",
    (Phase.STARTING, Phase.ENDED): "it exits; the start has failed",
    (Phase.READY, Phase.ENDED): "it exits before all are up, or while everything ends",
}
"""What may follow what, and when it does."""

_ALIVE = (Phase.STARTING, Phase.READY, Phase.ENDING)


@dataclass
class _Program:
    name: str
    phase: Phase = Phase.WAITING
    since: float = 0.0
    exits: int = 0
    due: float | None = None
    killed: bool = False

    def go_on(self, phase: Phase) -> None:
        """It is somewhere else now; that `ended` ends once more is no change."""
        if phase is not self.phase:
            self.phase = checked(self.phase, phase, PHASES)


class Supervision:
    """The machine.

    Args:
        names: The programs, in the order in which they start.
        grace: Seconds between SIGTERM and SIGKILL.
        start_limit: Seconds within which each program must be ready the first time.
    """

    def __init__(self, names: Sequence[str], *, grace: float, start_limit: float) -> None:
        self._programs = {name: _Program(name) for name in names}
        self._grace = grace
        self._start_limit = start_limit
        self._is_up = False
        self._ends = False
        self._finished = False
        self._reason = ""

    def phase(self, name: str) -> Phase:
        """Where a program stands."""
        return self._programs[name].phase

    @property
    def all_ready(self) -> bool:
        """Whether every program is ready now."""
        return all(program.phase is Phase.READY for program in self._programs.values())

    @property
    def was_up(self) -> bool:
        """Whether every program has been ready at some time."""
        return self._is_up

    def deadline(self) -> float | None:
        """When `tick` has something to do, if nothing else happens."""
        return min(
            (program.due for program in self._programs.values() if program.due is not None), default=None
        )

    def begin(self, now: float) -> list[Action]:
        """Starts the first program."""
        return self._start_next(now)

    def ready(self, name: str, now: float) -> list[Action]:
        """A program said that it is ready."""
        program = self._programs[name]
        if program.phase is not Phase.STARTING:
            return []
        program.go_on(Phase.READY)
        program.due = None
        if self._is_up:
            return []
        if self.all_ready:
            self._is_up = True
            return [Up()]
        return self._start_next(now)

    def exited(self, name: str, reason: str, now: float) -> list[Action]:
        """A program is gone.

        Args:
            name: Which one.
            reason: Why, as a sentence.
            now: The time.
        """
        program = self._programs[name]
        lived = now - program.since
        program.due = None
        if self._ends:
            program.go_on(Phase.ENDED)
            return self._end_next(now)
        if not self._is_up:
            program.go_on(Phase.ENDED)
            return self.end(now, reason)
        if lived >= GOOD_LIFE:
            program.exits = 0
        program.go_on(Phase.RESTING)
        program.due = now + min(FIRST_REST * 2**program.exits, LONGEST_REST)
        program.exits = min(program.exits + 1, 20)
        return []

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        actions: list[Action] = []
        for program in list(self._programs.values()):
            if program.due is None or now < program.due:
                continue
            program.due = None
            if program.phase is Phase.RESTING:
                actions += self._start(program, now)
            elif program.phase is Phase.STARTING:
                reason = f"The {program.name} was not ready after {self._start_limit:.0f} s."
                actions += self.end(now, reason)
            elif program.phase is Phase.ENDING and not program.killed:
                program.killed, program.due = True, now + self._grace
                actions.append(Send(program.name, signal.SIGKILL))
            elif program.phase is Phase.ENDING:
                # The kernel cannot end it; whoever asked will find and name it.
                program.go_on(Phase.ENDED)
                actions += self._end_next(now)
        return actions

    def end(self, now: float, reason: str = "") -> list[Action]:
        """Ends everything, the last program first.

        Args:
            now: The time.
            reason: Why, if nobody asked for it.
        """
        if self._ends:
            return []
        self._ends, self._reason = True, reason
        return self._end_next(now)

    def _start_next(self, now: float) -> list[Action]:
        for program in self._programs.values():
            if program.phase is Phase.WAITING:
                return self._start(program, now)
        return []

    def _start(self, program: _Program, now: float) -> list[Action]:
        program.go_on(Phase.STARTING)
        program.since = now
        program.due = None if self._is_up else now + self._start_limit
        return [Start(program.name)]

    def _end_next(self, now: float) -> list[Action]:
        for program in reversed(self._programs.values()):
            if program.phase is Phase.ENDING:
                return []
            if program.phase in _ALIVE:
                program.go_on(Phase.ENDING)
                program.due = now + self._grace
                return [Send(program.name, signal.SIGTERM)]
            program.go_on(Phase.ENDED)
            program.due = None
        if self._finished:
            return []
        self._finished = True
        return [Finish(self._reason)]
