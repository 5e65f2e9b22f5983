"""The simulator with its clock running: a thousand workers, and who gets how much (R7, R11)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.runtime.fakes import RUNS
from tests.runtime.timed import TimedSlot, TimedWorld, use_timed_slots
from tests.runtime.virtual import virtual_time  # noqa: F401

SEED = int(os.environ.get("SIMULATION", 1))


@pytest.fixture(autouse=True)
def running_clock(virtual_time: object) -> Iterator[None]:  # noqa: F811
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_timed_slots(monkeypatch)
        yield


def test_a_thousand_workers_lose_nothing_whatever_breaks() -> None:
    TimedSlot.longest = 2.0
    world = TimedWorld(SEED, slots=1, clients=5, workers=1000, scaling=False, named=True)
    staying, leaving = world.clients[:4], world.clients[4]
    world.run(2.0)
    for number, client in enumerate(world.clients):
        client.map(["ok"] * 3970 + ["raise"] * 20 + ["die"] * 10, chunk_size=number, retries=number % 2)
        for _ in range(1000):
            client.submit("ok")
        client.begin(f"map-{number}", ["ok"] * 1000 + ["raise"] * 5, retries=1)
        client.feed_all()
    failures, leaves = world.draw.sample(range(20), 4), world.draw.randrange(10)
    killed = 0
    for round_ in range(60):
        world.run(world.loop.now + world.draw.uniform(0.0, 2.0))  # at any moment, between any two messages
        for wire in world.draw.sample(world.wires, min(10, len(world.wires))):
            world.lose(wire)
        for worker in world.draw.sample(world.workers, 2):
            world.kill_worker(worker)
        for slot in world.draw.sample(world.processes, min(2, len(world.processes))):
            slot.kill()
        killed += 4
        world.cancel(world.draw.choice(staying), world.draw.randrange(1000))
        if round_ == leaves:
            world.end_client(leaving, politely=False, seen=True)
        if round_ in failures:
            world.fail(world.draw.uniform(0.1, 4.0))
        world.look()
        if not world.busy:
            break
    assert round_ > max(failures), "the scheduler died every time"
    while world.busy:
        world.run(world.loop.now + 1.0)
        assert world.loop.now < 600.0, "it comes to an end"
    assert world.cancelled
    for client in staying:
        client.check()
        (one,) = client.named
        assert client.fetched[one.call.id] == set(range(len(one.kinds)))
    again = sum(runs - 1 for element, runs in RUNS.items() if element[1].startswith("ok"))
    assert again <= world.at_stake + 10 * killed, "nothing runs again but what died with somebody"
    world.run(world.loop.now + 60.0)
    assert not world.machine._state.leases
    assert not any(world.machine._state.sessions[client.name].calls for client in staying)
    for worker in world.workers:
        assert not worker.supervisor._ledger._held and not worker.supervisor._ledger._lost


def test_R11_sessions_share_a_slot_fairly_but_for_ten_seconds_and_a_chunk() -> None:
    TimedSlot.longest = 0.5
    world = TimedWorld(SEED, slots=1, clients=3, workers=1)
    for client in world.clients:
        for _ in range(2):
            client.map(["ok"] * 400)
    for second in range(100):
        world.run(float(second))
        if second % 7 == 3:
            world.lose(
                world.draw.choice([client.wire for client in world.clients if client.wire is not None])
            )
        usage = [session.usage for session in world.machine._state.sessions.values()]
        assert max(usage, default=0.0) - min(usage, default=0.0) < 10.0 + 2 * 0.5, (
            "what runs, and what was fetched ahead"
        )
    assert sum(usage) > 40.0


def test_R11_the_maps_of_a_session_take_turns() -> None:
    TimedSlot.longest = 0.5
    world = TimedWorld(SEED, slots=2, clients=1, workers=1)
    (client,) = world.clients
    for _ in range(3):
        client.map(["ok"] * 100, chunk_size=1)
    for second in range(40):
        world.run(float(second))
        begun = [sum(RUNS[client.name, kind] for kind in kinds) for kinds, _ in client.maps]
        assert max(begun) - min(begun) <= 3, "no map is more than what the slots have ahead of another"
    assert sum(begun) > 100


def test_R11_a_single_future_goes_before_the_next_chunk() -> None:
    TimedSlot.longest = 0.5
    world = TimedWorld(SEED, slots=1, clients=1, workers=1)
    (client,) = world.clients
    client.map(["ok"] * 100, chunk_size=1)
    world.run(5.0)
    client.submit("ok")
    (kind, _, call), (kinds, _) = client.futures[0], client.maps[0]
    state = world.machine._state
    while call.id not in state.sessions[client.name].calls:
        world.run(world.loop.now + 0.001)
    allowed = sum(RUNS.values()) + len(state.leases)
    while not RUNS[client.name, kind]:
        world.run(world.loop.now + 0.001)
    begun = sum(RUNS[client.name, element] for element in kinds)
    assert begun <= allowed, "but for what was leased before"
