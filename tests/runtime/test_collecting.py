"""Outcomes of named maps are told when they are on disk, and who asks for them waits (R6)."""

from __future__ import annotations

from kubefuture.protocol.messages import Fetch, Fetched

from tests.runtime.ends import End
from tests.runtime.test_simulation import finish
from tests.runtime.world import World, virtual_time  # noqa: F401


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
