"""An exchange is taken up only where both sides mean the same one (R7, R10)."""

from __future__ import annotations

from tests.runtime.fakes import RUNS
from tests.runtime.test_simulation import finish
from tests.runtime.virtual import virtual_time  # noqa: F401
from tests.runtime.world import World


def talk(world: World) -> None:
    """Messages arrive, and no element runs."""
    for _ in range(30):
        while world.loop.step():
            pass
        for wire in list(world.wires):
            world.arrive(wire)
            world.deliver(wire)


def settled(**what: bool) -> World:
    world = World(1, 1, 1, **what)
    world.settle()
    return world


def lose_the_welcome(world: World, end: object) -> None:
    """Somebody connects, and the connection breaks before the Welcome is there."""
    end.connect()
    world.arrive(end.wire)
    assert type(end.wire.down[0]).__name__ == "Welcome"
    world.cut(end.wire, 0)


def test_R7_a_worker_that_was_given_up_and_whose_new_welcome_is_lost_comes_back() -> None:
    world = settled(scaling=False)
    (worker,) = world.workers
    world.cut(worker.wire, 0)
    world.later(31.0)
    lose_the_welcome(world, worker)
    world.clients[0].submit("ok")
    finish(world)


def test_R7_a_client_whose_welcome_is_lost_is_the_same_when_it_comes_again() -> None:
    world = settled(scaling=False)
    (client,), (worker,) = world.clients, world.workers
    client.map(["ok"] * 3)
    talk(world)
    (slot,) = world.processes
    slot.step()  # it has begun
    world.kill_scheduler(quietly=True)
    talk(world)
    world.restart()
    worker.connect()
    talk(world)
    lose_the_welcome(world, client)
    finish(world)
    assert set(RUNS.values()) == {1}, "what it waits for has gone on meanwhile"


def test_an_order_to_retire_a_slot_that_has_gone_is_not_answered_twice() -> None:
    world = settled()
    (worker,) = world.workers
    world.clients[0].scale(0)
    talk(world)
    (slot,) = world.processes
    slot.step()
    slot.deliver()
    worker.supervisor._slots._retire(0)
    kept = [type(message).__name__ for message in worker.supervisor._conversation.kept]
    assert kept.count("SlotLost") == 1
    world.clients[0].scale(1)
    finish(world)
