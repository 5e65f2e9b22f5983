"""The rounds that questions about pools share: plan("local") and the daemon, beside one pool of somebody else's.

    standard library  ┐
    plan("local")     ├ in turns            each other peer  ┐
    the daemon        ┘                     plan("local")    ├ in turns, then the next one
                                            the daemon       ┘

The other peers are up one at a time, since some of them keep a machine busy even when they wait.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    turn: Turn, peers: Sequence[Peer], *, tasks: int, rounds: int, other_tasks: int = 0, other_rounds: int
) -> list[Rounds]:
    """Measures ours and every peer.

    Args:
        turn: What each does in a round.
        peers: Whom to compare with; the first one is the baseline.
        tasks: How many tasks a round.
        rounds: How many rounds with the baseline.
        other_tasks: How many tasks a round with the other peers, if not as many.
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
        return [
            _beside(peers[0], turn, ours, tasks, rounds),
            *(_beside(peer, turn, ours, other_tasks or tasks, other_rounds) for peer in peers[1:]),
        ]


def _beside(peer: Peer, turn: Turn, ours: dict[str, Contender], tasks: int, rounds: int) -> Rounds:
    try:
        with ready(peer, turn) as contender:
            turns = {name: partial(each.take_turn, tasks) for name, each in {"": contender, **ours}.items()}
            measured = in_turns(turns, rounds)
    except ContenderError as error:
        return Rounds(peer.name, {}, [], str(error))
    return Rounds(peer.name, measured, measured.pop(""))


@contextmanager
def ready(peer: Peer, turn: Turn, **options: int) -> Iterator[Contender]:
    """A peer's contender, ended with the block.

    Raises:
        ContenderError: The peer is not installed, or cannot be measured.
    """
    if peer.why_missing:
        raise ContenderError(peer.why_missing)
    contender = Contender(peer.way, turn, **options)
    try:
        yield contender
    finally:
        contender.close()


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
            Row(f"{question}, {place}", text(statistics.median(rounds.ours[key])), peer, rounds.ratios(key))
            for key, place in PLACES.items()
        ]
    return rows
