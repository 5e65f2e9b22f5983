"""The rounds that round_trip and throughput share: ProcessPoolExecutor, plan("local") and the daemon."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from tests.faults.programs import Cluster

from .contenders import WORKERS, Contender, Turn, cluster, executor, local
from .measurement import in_turns


def measure(turn: Turn, *, tasks: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Measures all three in turns.

    Args:
        turn: What each does in a round.
        tasks: How many tasks a round.
        rounds: How many rounds.

    Returns:
        The measurements of the executor, of plan("local") and of the daemon.
    """
    with ExitStack() as ending:
        daemon = ending.enter_context(Cluster(WORKERS))
        contenders = {
            "executor": Contender(executor, turn),
            "local": Contender(local, turn),
            "cluster": Contender(cluster, turn, str(daemon.connection)),
        }
        for contender in contenders.values():
            ending.callback(contender.close)
        measured = in_turns(
            {name: partial(contender.take_turn, tasks) for name, contender in contenders.items()}, rounds
        )
    return measured["executor"], measured["local"], measured["cluster"]
