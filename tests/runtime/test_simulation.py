"""Any order of events, with kills, cancels, cuts and scaling in between: each element ends exactly once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.fakes import use_fake_slots
from tests.runtime.world import World

KINDS = ["ok", "ok", "ok", "ok", "raise", "deaf", "die", "slow"]


@pytest.fixture(scope="module", autouse=True)
def fake_slots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_fake_slots(monkeypatch)
        yield


def happen(world: World, event: int, choice: int) -> None:
    """Lets one thing happen in a world; which one, the two numbers say."""
    client = world.clients[choice % len(world.clients)]
    slots = world.processes
    slot = slots[choice % len(slots)] if slots else None
    match event:
        case 0 | 1:
            world.arrive(client.link)
        case 2 | 3:
            client.deliver()
        case 4 | 5:
            world.arrive(world.worker.link)
        case 6 | 7:
            world.worker.deliver()
        case 8 | 9 | 10 if slot is not None:
            slot.step()
        case 11 | 12 if slot is not None:
            slot.deliver()
        case 13 | 14:
            world.loop.step()
        case 15:
            client.submit(f"{KINDS[choice % len(KINDS)]}-{choice}")
        case 16:
            kinds = [f"{KINDS[(choice + number) % len(KINDS)]}-{number}" for number in range(choice % 23)]
            client.map(kinds, chunk_size=choice % 4, retries=choice % 2)
        case 17:
            world.later((choice % 5) * 0.6)
        case 18 if slot is not None:
            slot.kill()
        case 19:
            client.cancel(choice)
        case 20:
            world.scale(choice % 4)
        case 21 if choice % 3 == 0:
            client.reconnect()
        case 22 if choice % 3 == 0:
            world.worker.reconnect()
    world.post()


EVENTS = st.lists(st.tuples(st.integers(0, 22), st.integers(0, 60)), min_size=30, max_size=200)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(clients=st.integers(1, 3), slots=st.integers(1, 4), events=EVENTS)
def test_every_element_ends_exactly_once_whatever_happens(clients, slots, events):
    world = World(slots, clients)
    for event, choice in events:
        happen(world, event, choice)
    if world.machine.wanted == 0:
        world.scale(1)
    world.settle()
    world.check()
