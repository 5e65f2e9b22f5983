"""The rounds that questions about pools share: plan("local") and the daemon, beside one pool of somebody else's.

    standard library  ┐
    plan("local")     ├ in turns            each other peer  ┐
    the daemon        ┘                     plan("local")    ├ in turns, then the next one
                                            the daemon       ┘

The other peers are up one at a time, since some of them keep a machine busy even when they wait.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from tests.faults.programs import Cluster

from .contenders import Contender, ContenderError, Turn, cluster, local
from .measurement import Row, in_turns, ratios
from .peers import Peer

PLACES = {"local": "plan local", "daemon": "through the daemon"}
"""Our two ways, as the report calls them."""


@dataclass(frozen=True)
class Rounds:
    """What was measured in turns with one peer.

    Attributes:
        name: The peer's.
        ours: By key of PLACES.
        theirs: The peer's measurements; empty when it could not be measured.
        missing: Why it could not.
    """

    name: str
    ours: dict[str, list[float]]
    theirs: list[float]
    missing: str = ""

    def ratios(self, place: str) -> list[float]:
        """Ours / theirs, for each round."""
        return ratios(self.ours[place], self.theirs)


def measure(
    turn: Turn, peers: Sequence[Peer], *, tasks: int, rounds: int, other_rounds: int = 3
) -> list[Rounds]:
    """Measures ours and every peer.

    Args:
        turn: What each does in a round.
        peers: Whom to compare with; the first one is the baseline.
        tasks: How many tasks a round.
        rounds: How many rounds with the baseline.
        other_rounds: How many with each other peer.
    """
    with ExitStack() as ending:
        daemon = ending.enter_context(Cluster())
        ours = {
            "local": Contender(local, turn),
            "daemon": Contender(cluster, turn, str(daemon.connection)),
        }
        for contender in ours.values():
            ending.callback(contender.close)
        turns = {name: partial(contender.take_turn, tasks) for name, contender in ours.items()}
        return [
            _beside(peer, turn, turns, tasks, other_rounds if number else rounds)
            for number, peer in enumerate(peers)
        ]


def _beside(
    peer: Peer, turn: Turn, ours: dict[str, Callable[[], float]], tasks: int, rounds: int
) -> Rounds:
    missing = peer.why_missing
    if not missing:
        try:
            contender = Contender(peer.way, turn)
            try:
                measured = in_turns({"": partial(contender.take_turn, tasks), **ours}, rounds)
            finally:
                contender.close()
            return Rounds(peer.name, measured, measured.pop(""))
        except ContenderError as error:
            missing = str(error)
    return Rounds(peer.name, {}, [], missing)


def beside(question: str, measured: list[Rounds], text: Callable[[float], str]) -> list[Row]:
    """The rows without a bar: every peer's beside both of ours.

    Args:
        question: What was measured.
        measured: The rounds with those peers.
        text: One measurement with its unit.
    """
    rows = []
    for rounds in measured:
        if rounds.missing:
            rows.append(Row(question, "", rounds.name, [], note=rounds.missing))
            continue
        peer = f"{rounds.name} {text(statistics.median(rounds.theirs))}"
        rows += [
            Row(
                f"{question}, {place}", text(statistics.median(rounds.ours[key])), peer, rounds.ratios(key)
            )
            for key, place in PLACES.items()
        ]
    return rows
