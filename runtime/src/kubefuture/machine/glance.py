"""The scheduler's state at a glance, for people: what `make status` is told, and what the page for browsers shows."""

from __future__ import annotations

import msgspec

from ..protocol.messages import Hello, Status
from .calls import Call
from .named import NamedMaps
from .named_map import NamedMap
from .sessions import SessionState
from .state import State
from .tally import tally

MOST_MAPS = 50
"""So many maps are shown one by one, those that are at work first."""


class MapGlance(msgspec.Struct):
    """One map.

    Attributes:
        session: Whose it is, as logs call it.
        call: Its number there.
        name: What the user called it; empty for one that will not outlive its script.
        function: What its function is called.
        state: waiting, running, finished, cancelled or incomplete.
        elements: How many it has; -1 while that is not known.
        done: How many have their outcome.
        running: How many run.
        retried: How many runs were begun once more.
        begun: When, in seconds since 1970; 0 where that is not known.
    """

    session: str
    call: int
    name: str
    function: str
    state: str
    elements: int
    done: int
    running: int
    retried: int
    begun: float = 0.0


class NodeGlance(msgspec.Struct):
    """One node of the cluster.

    Attributes:
        name: Its name, or its host's where there are no nodes.
        slots: How many slots are there.
        busy: How many of them run something.
        away: How many belong to workers that do not answer.
        leaving: How many belong to workers that were told to go.
    """

    name: str
    slots: int = 0
    busy: int = 0
    away: int = 0
    leaving: int = 0


class Glance(msgspec.Struct):
    """All of it.

    Attributes:
        status: What `make status` is told.
        nodes: By name.
        maps: Those that are shown.
        more_maps: How many more there are.
        futures: How many single futures are not over.
    """

    status: Status
    nodes: list[NodeGlance]
    maps: list[MapGlance]
    more_maps: int
    futures: int


def status_of(state: State, me: Hello, uptime_s: float, wanted: int | None, now: float) -> Status:
    """What `make status` is told."""
    calls = [call for session in state.sessions.values() for call in session.calls.values()]
    leased = sum(lease.stop - lease.position for lease in state.leases.values())
    running = sum(bool(slot.leases) for worker in state.workers.values() for slot in worker.slots.values())
    return Status(
        scheduler_pid=me.pid,
        host=me.host,
        python=me.environment.python,
        uptime_s=uptime_s,
        wanted_slots=state.ready_slots if wanted is None else wanted,
        workers=[worker.status(now) for worker in state.workers.values()],
        queued=sum(call.waiting for call in calls)
        + leased
        - running,  # a slot runs the first of those that it has
        running=running,
        done=state.settled,
        sessions=len(state.clients),
        retried=state.retried,
        failed=state.failed,
    )


def glance_of(state: State, named: NamedMaps, told: Status) -> Glance:
    """What the page for browsers shows.

    Args:
        state: What there is.
        named: The named maps.
        told: The same moment's status.
    """
    begun = sorted(named.all, key=lambda one: -one.accepted.created)
    named_calls = {id(one.call) for one in begun}
    unnamed, futures = [], 0
    for session in state.sessions.values():
        for call in session.calls.values():
            if call.total == 1 and not call.key:
                futures += 1
            elif id(call) not in named_calls:
                unnamed.append((session, call))
    working = [one for one in begun if not one.over]
    over = [one for one in begun if one.over]
    maps = [_named(state, one) for one in working[:MOST_MAPS]]
    maps += [_unnamed(state, session, call) for session, call in unnamed[: MOST_MAPS - len(maps)]]
    maps += [_named(state, one) for one in over[: MOST_MAPS - len(maps)]]
    return Glance(told, _nodes(state), maps, len(begun) + len(unnamed) - len(maps), futures)


def _unnamed(state: State, session: SessionState, call: Call) -> MapGlance:
    now = tally(state, call, call.id)
    total = call.received if call.complete else call.total
    return MapGlance(
        session=session.hello.identity,
        call=call.id,
        name="",
        function=call.function.message.name,
        state="running" if now.running else "waiting",
        elements=total,
        done=call.settled,
        running=now.running,
        retried=now.retried,
    )


def _named(state: State, known: NamedMap) -> MapGlance:
    now = tally(state, known.call, 0)
    if known.cancelled:
        word = "cancelled"
    elif known.over:
        word = "incomplete" if known.problem else "finished"
    else:
        word = "running" if now.running else "waiting"
    return MapGlance(
        session=known.session.hello.identity,
        call=known.accepted.call,
        name=known.accepted.name,
        function=known.accepted.function_name,
        state=word,
        elements=known.total,
        done=known.call.settled,
        running=now.running,
        retried=now.retried,
        begun=known.accepted.created,
    )


def _nodes(state: State) -> list[NodeGlance]:
    found: dict[str, NodeGlance] = {}
    for worker in state.workers.values():
        name = worker.hello.node or worker.hello.host
        node = found.setdefault(name, NodeGlance(name))
        slots = len(worker.slots)
        node.slots += slots
        node.busy += sum(bool(slot.leases) for slot in worker.slots.values())
        node.away += slots if worker.away else 0
        node.leaving += slots if worker.leaving else 0
    return sorted(found.values(), key=lambda node: node.name)
