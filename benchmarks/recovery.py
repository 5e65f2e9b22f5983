"""How soon does work go on when a slot or the scheduler is killed?

A slot: from its SIGKILL to the moment its element begins again, in another slot that idles or, where there is no other,
in the one that takes its place; then one bare start of a slot, measured beside it, is subtracted. The scheduler: from
its SIGKILL to the result of a task that is submitted at once, under a keeper, which starts it again.
"""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import kubefuture as kf
from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection

from tests.faults.programs import Cluster
from tests.faults.waiting import eventually

from .contenders import WORKERS, Contender, ContenderError, Pool, cluster, local, plus_one
from .kept import kept
from .measurement import Row, in_turns, ratios
from .peers import DASK, RAY
from .pools import ready

SLOT_BAR = 0.3
SCHEDULER_BAR = 3.0
_NAP = 0.05
_STALL = 60.0


def stall_at_first(log: str) -> None:
    """The element: writes who runs it and when, and does not end when it is run for the first time."""
    with open(log, "a", encoding="ascii") as file:
        file.write(f"{time.monotonic()} {os.getpid()}\n")
    if len(_lines(log)) == 1:
        time.sleep(_STALL)


def nap(_: int) -> int:
    """Keeps a slot for a moment and says which process it is."""
    time.sleep(_NAP)
    return os.getpid()


def slot_killed(pool: Pool, slots: int) -> float:
    """Seconds from a slot's death to the new begin of its element."""
    eventually(lambda: len(set(pool.map(nap, range(4 * slots)))) == slots, "all slots at work")
    with tempfile.TemporaryDirectory() as folder:
        log = str(Path(folder, "starts"))
        future = pool.submit(stall_at_first, log)
        _, pid = eventually(lambda: _lines(log), "the element's first start")[0]
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pool.gather([future])
        return _lines(log)[1][0] - killed


def scheduler_killed(pool: Pool, _tasks: int, connection: str) -> float:
    """Seconds from the scheduler's death to the result of what was submitted then."""
    pid = fetch_status(Connection.load(Path(connection))).scheduler_pid
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    pool.gather([pool.submit(plus_one, 1)])
    return time.monotonic() - killed


def bare_start() -> float:
    """Seconds until one more slot is ready."""
    with kf.plan("local", workers=1):
        kf.scale(1)  # waits for the first one
        started = time.monotonic()
        kf.scale(2)
        return time.monotonic() - started


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    rounds = 2 if quick else 10
    return [*_idle_slot(rounds), *_single_slot(rounds), *_scheduler(1 if quick else 5)]


def _idle_slot(rounds: int) -> list[Row]:
    question = "a slot is killed, another idles"
    found: list[Row] = []
    with ExitStack() as ending:
        ours = _ours(ending, WORKERS)
        measured = in_turns({place: partial(each.take_turn, WORKERS) for place, each in ours.items()}, rounds)
        for place, seconds in measured.items():
            found.append(Row(f"{question}, {place}", _text(seconds), "", seconds, SLOT_BAR, unit=" s"))
        for peer in (RAY, DASK):  # the others give the element up
            try:
                with ready(peer, slot_killed, warm_up=0) as contender:
                    pair = {"ours": ours["plan local"], "theirs": contender}
                    beside = in_turns(
                        {name: partial(each.take_turn, WORKERS) for name, each in pair.items()},
                        min(rounds, 3),
                    )
            except ContenderError as error:
                found.append(Row(question, "", peer.name, [], note=str(error)))
                continue
            own, theirs = beside["ours"], beside["theirs"]
            found.append(
                Row(
                    f"{question}, plan local", _text(own), f"{peer.name} {_text(theirs)}", ratios(own, theirs)
                )
            )
    return found


def _single_slot(rounds: int) -> list[Row]:
    with ExitStack() as ending:
        ours = _ours(ending, 1)
        turns = {place: partial(each.take_turn, 1) for place, each in ours.items()}
        measured = in_turns({"start": bare_start, **turns}, rounds)
    starts = measured.pop("start")
    bare = f"a slot's bare start {_text(starts)}"
    return [
        Row(
            f"the only slot is killed, less a bare start, {place}", _text(seconds), bare,
            [own - start for own, start in zip(seconds, starts, strict=True)], SLOT_BAR, unit=" s",
        )
        for place, seconds in measured.items()
    ]  # fmt: skip


def _scheduler(rounds: int) -> list[Row]:
    seconds = []
    for _ in range(rounds):  # each with a keeper of its own, which has not had to wait before
        with kept() as place:
            turn = partial(scheduler_killed, connection=place.connection)
            contender = Contender(cluster, turn, place.connection, warm_up=0)
            try:
                seconds.append(contender.take_turn(1))
            finally:
                contender.close()
    return [Row("the scheduler is killed", _text(seconds), "", seconds, SCHEDULER_BAR, unit=" s")]


def _ours(ending: ExitStack, slots: int) -> dict[str, Contender]:
    """Both of ours, with that many slots."""
    daemon = ending.enter_context(Cluster(slots))
    ours = {
        "plan local": Contender(local, slot_killed, slots, warm_up=0),
        "through the daemon": Contender(cluster, slot_killed, str(daemon.connection), warm_up=0),
    }
    for contender in ours.values():
        ending.callback(contender.close)
    return ours


def _lines(log: str) -> list[tuple[float, int]]:
    """When the element began, and in which process."""
    try:
        lines = Path(log).read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return []
    return [(float(when), int(pid)) for when, pid in map(str.split, lines)]


def _text(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"
