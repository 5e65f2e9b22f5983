"""Named maps in any order of events: what was accepted is collected, what is forgotten stays so (R5, R6, R8).

A seed that fails is tried again with `SIMULATION=12345 .venv/bin/python -m pytest tests/runtime -k simulation`.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from kubefuture.scheduler.journal import Room

from tests.runtime.clients import Client
from tests.runtime.fakes import RUNS
from tests.runtime.test_simulation import SEEDS, Runtime, finish, go_on
from tests.runtime.virtual import virtual_time  # noqa: F401
from tests.runtime.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*without a seed")

KINDS = ["draw", "once", "ok", "roll", "roll", "roll", "roll", "raise", "deaf", "die", "slow"]
RETRIES = 1
NAMES = ["a", "b", "c"]
"""Few, so that they are taken, forgotten and begun again."""


class Named(Runtime):
    """Whatever may happen, and named maps."""

    named = True
    numbers = st.integers(0, 60)
    names = st.sampled_from(NAMES)

    @rule(choice=numbers, name=names, length=st.integers(0, 12), chunk_size=st.integers(0, 3))
    def begin_named(self, choice: int, name: str, length: int, chunk_size: int) -> None:
        kinds = [KINDS[(choice + number) % len(KINDS)] for number in range(length)]
        self._client(choice).begin(name, kinds, chunk_size, retries=choice % 3)

    @rule(choice=numbers)
    def begin_again(self, choice: int) -> None:
        """A run begins its map, or takes up what the run before it began."""
        number = choice % len(self.world.clients)
        client = self.world.clients[number]
        name = f"run-{number}"
        if not any(one.name == name for one in client.named):
            client.begin(name, KINDS, again=True)

    @rule(choice=numbers, elements=st.integers(0, 8))
    def feed(self, choice: int, elements: int) -> None:
        client = self._client(choice)
        if client.named:
            client.feed(client.named[choice % len(client.named)], elements)

    @rule()
    def commit(self) -> None:
        self.world.commit()

    @rule(choice=numbers, name=names)
    def attach(self, choice: int, name: str) -> None:
        self._client(choice).attach(name)

    @rule(choice=numbers, name=names)
    def forget(self, choice: int, name: str) -> None:
        self._client(choice).forget(name)

    @rule(choice=numbers)
    def leave_named(self, choice: int) -> None:
        self._client(choice).leave_named(choice)

    @rule(choice=numbers)
    def cancel_named(self, choice: int) -> None:
        self._client(choice).cancel_named(choice)

    @rule(room=st.sampled_from(Room))
    def room(self, room: Room) -> None:
        self.world.room = room


def test_R5_R6_R8_named_maps_keep_their_promises_whatever_happens() -> None:
    run_state_machine_as_test(
        Named,
        settings=settings(
            max_examples=80,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


WEIGHTS = {
    "arrive": 14, "deliver": 14, "work": 12, "loop": 6, "flow": 8, "commit": 4, "begin_named": 3, "begin_again": 1,
    "feed": 6, "attach": 2, "forget": 1, "leave_named": 1, "cancel_named": 1, "room": 1, "submit": 1, "map": 1,
    "connect": 8, "cut": 3, "kill_slot": 1, "kill_scheduler": 1, "restart_scheduler": 3, "kill_worker": 1,
    "end_client": 1, "later": 3,
}  # fmt: skip


def happen(runtime: Named, draw: random.Random, steps: int) -> None:
    """A long random run."""
    runtime.begin(
        slots=draw.randint(1, 3), clients=draw.randint(1, 3), workers=draw.randint(1, 2),
        scaling=draw.random() < 0.5,
    )  # fmt: skip
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    for event in draw.choices(names, weights, k=steps):
        choice, times = draw.randrange(1000), draw.randint(1, 8)
        act = getattr(runtime, event)
        match event:
            case "arrive" | "deliver" | "work":
                act(choice=choice, times=times)
            case "loop":
                act(times=times)
            case "flow":
                act(rounds=times)
            case "commit" | "restart_scheduler":
                act()
            case "begin_named":
                act(choice, draw.choice(NAMES), draw.randint(0, 14), draw.randint(0, 3))
            case "attach" | "forget":
                act(choice=choice, name=draw.choice(NAMES))
            case "feed":
                act(choice=choice, elements=times)
            case "room":
                act(room=draw.choice([*Room, Room.FREE]))
            case "submit":
                act(choice=choice, kind=draw.choice(["ok", "raise", "die"]), retries=0)
            case "map":
                act(choice=choice, length=times, chunk_size=0, retries=0)
            case "cut":
                act(choice=choice, side=draw.randrange(3))
            case "kill_scheduler":
                act(quietly=draw.random() < 0.5)
            case "kill_worker":
                act(choice=choice, seen=draw.random() < 0.5)
            case "end_client":
                act(choice=choice, politely=draw.random() < 0.5, seen=draw.random() < 0.5)
            case "later":
                act(seconds=draw.choice([0.1, 0.3, 1.0, 2.6, 12.0, 31.0, 601.0]))
            case _:
                act(choice=choice)
        runtime.consistent()


@pytest.mark.parametrize("seed", SEEDS[:80])
def test_R5_R6_R8_a_long_random_run_with_named_maps_keeps_every_promise(seed: int) -> None:
    runtime = Named()
    happen(runtime, random.Random(seed), 400)
    runtime.teardown()


@pytest.mark.parametrize("seed", SEEDS[:40])
def test_R7_no_named_element_is_run_twice_when_only_connections_and_schedulers_die(seed: int) -> None:
    draw = random.Random(seed)
    world = World(draw.randint(1, 3), draw.randint(1, 3), draw.randint(1, 3), scaling=False, named=True)
    for number in range(300):
        client: Client = draw.choice(world.clients)
        event = draw.random()
        if event < 0.05:
            kinds = [draw.choice(["ok", "raise"]) for _ in range(draw.randint(0, 20))]
            client.begin(f"map-{number}", kinds, retries=RETRIES)
        elif event < 0.2 and client.named:
            client.feed(draw.choice(client.named), draw.randint(1, 9))
        else:
            go_on(world, draw)
        world.look()
    finish(world)
    for (_, kind), runs in RUNS.items():
        if kind.startswith("raise"):  # one more where only a scheduler that died knew of a retry
            assert RETRIES < runs <= RETRIES + 1 + world.deaths, f"{kind} was run {runs} times"
        else:
            assert runs == 1, f"{kind} was run {runs} times"
