"""Named maps: outcomes are told when they are on disk, and what cannot be on disk ends them (R5, R6)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kubefuture.protocol.messages import Fetch, Fetched
from kubefuture.scheduler.answers import Answers
from kubefuture.scheduler.collecting import Collector

from tests.runtime.ends import End
from tests.runtime.stories import Fault, files, pump, too_much
from tests.runtime.test_simulation import finish
from tests.runtime.virtual import virtual_time  # noqa: F401
from tests.runtime.world import World


def talk(world: World, end: End, rounds: int = 20) -> int:
    """Messages go between the scheduler and one end; returns how often that was told outcomes."""
    told = 0
    end.connect()
    for _ in range(rounds):
        while world.loop.step():
            pass
        assert end.wire is not None
        world.arrive(end.wire)
        told += bool(end.wire.down) and isinstance(end.wire.down[0], Fetched)
        world.deliver(end.wire)
    return told


def test_R6_who_asks_for_outcomes_that_are_not_on_disk_yet_is_answered_when_they_are() -> None:
    world = World(named=True)
    world.settle()
    client, worker = world.clients[0], world.workers[0]
    client.begin("map", ["ok"])
    client.feed_all()
    for end in (client, client, worker):
        talk(world, end)
        world.commit()
    assert any(slot.leases for slot in worker.slots)
    world.kill_scheduler(quietly=True)
    world.restart()
    for wire in list(world.wires):
        world.deliver(wire)  # they notice
    talk(world, worker)
    client.connect()
    assert client.wire is not None
    while not any(isinstance(message, Fetch) for message in client.wire.up):
        talk(world, client, 1)
        world.commit()
    for slot in worker.slots:
        with slot.process.running():
            while slot.step() or slot.deliver():
                pass
    talk(world, worker)
    assert talk(world, client) == 0
    world.commit()
    assert talk(world, client) == 1
    finish(world)


def test_R5_a_named_map_whose_further_data_is_refused_hands_over_no_more_elements() -> None:
    world, nothing = World(named=True, blobs=True), Fault("")
    pump(world, nothing)
    client = world.clients[0]
    client.begin("grows", ["ok"] * 5, files=files(1))
    (one,) = client.named
    client.feed(one, 2)
    pump(world, nothing)
    client.refer(one, (*files(1), *too_much()))
    pump(world, nothing)
    assert "do not fit" in str(one.call.arrived[-1])
    assert not client.session._calls and not client.session.functions.sent, "nothing is kept for it"
    client.feed(one, 3)
    with client.process.running():
        client.session.add_elements(one.call, [b"ok"] * 3, last=True)  # its caller has not noticed yet
    pump(world, nothing)
    (known,) = world.machine.named._by_key.values()
    assert known.call.received == 2


def test_R6_the_end_of_a_map_is_told_though_others_record_without_a_pause() -> None:
    told: list[Any] = []
    party: Any = SimpleNamespace(number=1, send=told.extend)
    journal: Any = SimpleNamespace(results=lambda key, after, limit_bytes: ([], after))
    cancelled = SimpleNamespace(over=True, total=2, problem="The map was cancelled.")
    named: Any = SimpleNamespace(get=lambda key: cancelled)
    answers = Answers(0)
    collector = Collector(journal, named, answers)
    answers.recorded = 1
    collector.fetch(party, Fetch(7, 1, 0))
    for record in range(1, 4):
        assert not told or record > 1, "its own end is not on the disk yet"
        answers.recorded = record + 1
        answers.committed(record)
        collector.look()
    (answer,) = told
    assert isinstance(answer, Fetched) and answer.problem == "The map was cancelled."
