"""Captured data in any order of events: slots have what was captured, elements end once, nothing stays (R26, R29).

A seed that fails is tried again with `SIMULATION=12345 .venv/bin/python -m pytest tests/runtime -k simulation`.
"""

from __future__ import annotations

import random

import pytest
from kubefuture.core.settings import ORPHAN_SECONDS

from tests.runtime.stories import files
from tests.runtime.test_simulation import SEEDS, finish
from tests.runtime.virtual import virtual_time  # noqa: F401
from tests.runtime.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*without a seed")

KINDS = ["ok", "ok", "ok", "raise", "die", "slow"]

WEIGHTS = {
    "arrive": 20, "deliver": 20, "write": 10, "work": 12, "loop": 8, "commit": 4, "submit": 2, "map": 3, "begin": 2,
    "feed": 3, "cancel": 1, "connect": 8, "cut": 2, "kill_scheduler": 1, "kill_worker": 1, "end_client": 1, "later": 3,
}  # fmt: skip


def happen(world: World, draw: random.Random, steps: int) -> None:
    """A long random run."""
    for event in draw.choices(list(WEIGHTS), list(WEIGHTS.values()), k=steps):
        client, times = draw.choice(world.clients), draw.randint(1, 8)
        captured = files(*draw.sample(range(6), draw.randint(0, 3)))
        kinds = [draw.choice(KINDS) for _ in range(draw.randint(0, 8))]
        match event:
            case "arrive" | "deliver":
                for _ in range(times if world.wires else 0):
                    getattr(world, event)(draw.choice(world.wires))
            case "write" | "commit":
                getattr(world, event)()
            case "work":
                for slot in draw.choices(world.processes, k=times) if world.processes else []:
                    with slot.process.running():
                        (slot.step if draw.random() < 0.5 else slot.deliver)()
            case "loop":
                for _ in range(times):
                    world.loop.step()
            case "submit":
                client.submit(draw.choice(KINDS), files=captured)
            case "map":
                client.map(kinds, draw.randint(0, 3), files=captured)
            case "begin" if world.shelf is not None:
                client.begin(draw.choice("abc"), kinds, draw.randint(0, 3), captured)
            case "feed" if client.named:
                client.feed(draw.choice(client.named), times)
            case "cancel":
                world.cancel(client, draw.randrange(1000))
            case "connect":
                draw.choice(world.ends).connect()
            case "cut" if world.wires:
                world.cut(draw.choice(world.wires), draw.randrange(3))
            case "kill_scheduler":
                world.kill_scheduler(quietly=draw.random() < 0.5)
                world.restart()
            case "kill_worker":
                world.kill_worker(
                    draw.choice(world.workers), seen=draw.random() < 0.5, emptied=draw.random() < 0.5
                )
            case "end_client":
                world.end_client(client, politely=draw.random() < 0.5, seen=draw.random() < 0.5)
            case "later":
                world.later(draw.choice([0.1, 0.3, 1.0, 2.6, 12.0, 31.0, 601.0]))
        world.look()


@pytest.mark.parametrize("seed", SEEDS[:60])
def test_R26_R29_captured_data_is_where_it_is_needed_and_nowhere_else_in_the_end(seed: int) -> None:
    draw = random.Random(seed)
    world = World(
        draw.randint(1, 3), draw.randint(1, 3), draw.randint(1, 2), scaling=draw.random() < 0.5,
        named=draw.random() < 0.5, blobs=True,
    )  # fmt: skip
    happen(world, draw, 400)
    world.settle()
    world.later(ORPHAN_SECONDS + 1)  # so long a worker keeps what waits for data of a client that never comes
    finish(world)
