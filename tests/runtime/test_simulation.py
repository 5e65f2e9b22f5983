"""Any order of events, with deaths, cancels, cuts and scaling in between: each element ends exactly once.

What fails can be had again: the report of a test ends with the command.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from kubefuture.core.settings import BLOB_SECONDS

from tests.runtime.fakes import RUNS
from tests.runtime.virtual import virtual_time  # noqa: F401
from tests.runtime.world import World

pytestmark = pytest.mark.filterwarnings("ignore:.*without a seed")

KINDS = ["draw", "once", "ok", "ok", "ok", "ok", "raise", "deaf", "die", "slow"]
SEEDS = (
    [int(os.environ["SIMULATION"])]
    if "SIMULATION" in os.environ
    else range(int(os.environ.get("SIMULATIONS", 150)))
)


class Runtime(RuleBasedStateMachine):
    """Whatever may happen, one thing at a time."""

    numbers = st.integers(0, 60)

    named = False

    @initialize(
        slots=st.integers(1, 3), clients=st.integers(1, 3), workers=st.integers(1, 3), scaling=st.booleans()
    )
    def begin(self, slots: int, clients: int, workers: int, scaling: bool) -> None:
        self.world = World(slots, clients, workers, scaling=scaling, named=self.named)

    @rule(choice=numbers, times=st.integers(1, 8))
    def arrive(self, choice: int, times: int) -> None:
        for number in range(times):
            wires = self.world.wires
            if wires:
                self.world.arrive(wires[(choice + number) % len(wires)], 1 + choice % 3)

    @rule(choice=numbers, times=st.integers(1, 8))
    def deliver(self, choice: int, times: int) -> None:
        for number in range(times):
            wires = self.world.wires
            if wires:
                self.world.deliver(wires[(choice + number) % len(wires)], 1 + choice % 3)

    @rule(choice=numbers, times=st.integers(1, 8))
    def work(self, choice: int, times: int) -> None:
        slots = self.world.processes
        for number in range(times if slots else 0):
            slot = slots[(choice + number // 4) % len(slots)]
            with slot.process.running():
                (slot.step if number % 2 == 0 else slot.deliver)()

    @rule(rounds=st.integers(1, 6))
    def flow(self, rounds: int) -> None:
        self.world.flow(rounds)

    @rule(times=st.integers(1, 5))
    def loop(self, times: int) -> None:
        for _ in range(times):
            self.world.loop.step()

    @rule(choice=numbers, kind=st.sampled_from(KINDS), retries=st.integers(0, 1))
    def submit(self, choice: int, kind: str, retries: int) -> None:
        self._client(choice).submit(kind, retries)

    @rule(choice=numbers, length=st.integers(0, 22), chunk_size=st.integers(0, 3), retries=st.integers(0, 1))
    def map(self, choice: int, length: int, chunk_size: int, retries: int) -> None:
        kinds = [KINDS[(choice + number) % len(KINDS)] for number in range(length)]
        self._client(choice).map(kinds, chunk_size, retries)

    @rule(choice=numbers)
    def cancel(self, choice: int) -> None:
        self.world.cancel(self._client(choice), choice)

    @rule(choice=numbers)
    def connect(self, choice: int) -> None:
        ends = self.world.ends
        ends[choice % len(ends)].connect()

    @rule(choice=numbers, side=st.integers(0, 2))
    def cut(self, choice: int, side: int) -> None:
        if self.world.wires:
            self.world.cut(self.world.wires[choice % len(self.world.wires)], side)

    @rule(choice=numbers)
    def kill_slot(self, choice: int) -> None:
        slots = self.world.processes
        if slots:
            slots[choice % len(slots)].kill()

    @rule(quietly=st.booleans())
    def kill_scheduler(self, quietly: bool) -> None:
        self.world.kill_scheduler(quietly=quietly)

    @rule()
    def restart_scheduler(self) -> None:
        self.world.restart()

    @rule(choice=numbers, seen=st.booleans())
    def kill_worker(self, choice: int, seen: bool) -> None:
        self.world.kill_worker(self.world.workers[choice % len(self.world.workers)], seen=seen)

    @rule(choice=numbers)
    def drain_worker(self, choice: int) -> None:
        self.world.drain_worker(self.world.workers[choice % len(self.world.workers)])

    @rule(choice=numbers, politely=st.booleans(), seen=st.booleans())
    def end_client(self, choice: int, politely: bool, seen: bool) -> None:
        self.world.end_client(self._client(choice), politely=politely, seen=seen)

    @rule(choice=numbers, slots=st.integers(1, 4))
    def scale(self, choice: int, slots: int) -> None:
        if self.world.wanted is not None:
            self._client(choice).scale(slots)

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 2.6, 12.0, 31.0, 601.0]))
    def later(self, seconds: float) -> None:
        self.world.later(seconds)

    @rule()
    def settle(self) -> None:
        self.world.settle()
        self.world.check()

    @invariant()
    def consistent(self) -> None:
        if hasattr(self, "world"):
            self.world.look()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            finish(self.world)

    def _client(self, choice: int) -> object:
        return self.world.clients[choice % len(self.world.clients)]


def finish(world: World) -> None:
    """Everything comes to rest, and a day later even those are forgotten who died without a word."""
    world.settle()
    world.check()
    world.later(24 * 3600.0 + 1)
    world.settle()
    world.check()
    if world.shelf is not None:
        world.book.finish()
    world.check()
    assert len(world.machine._state.sessions) == len(world.clients)
    for client in world.clients:
        client.submit("ok")
    world.settle()
    world.check()
    if world.disk is not None:
        world.later(BLOB_SECONDS + 1)
        world.settle()
        assert not world.disk.files("scheduler"), "R29: data that nobody needs any more"


def test_every_element_ends_exactly_once_whatever_happens() -> None:
    run_state_machine_as_test(
        Runtime,
        settings=settings(
            max_examples=150,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


WEIGHTS = {
    "arrive": 14, "deliver": 14, "work": 14, "loop": 6, "flow": 8, "submit": 3, "map": 3, "cancel": 2, "connect": 8,
    "cut": 3, "kill_slot": 1, "kill_scheduler": 1, "restart_scheduler": 3, "kill_worker": 1, "drain_worker": 1,
    "end_client": 1,
    "scale": 1, "later": 3,
}  # fmt: skip


def happen(runtime: Runtime, draw: random.Random, steps: int) -> None:
    """A long random run."""
    runtime.begin(
        slots=draw.randint(1, 3),
        clients=draw.randint(1, 3),
        workers=draw.randint(1, 3),
        scaling=draw.random() < 0.5,
    )
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    for name in draw.choices(names, weights, k=steps):
        choice, times = draw.randrange(1000), draw.randint(1, 8)
        match name:
            case "arrive" | "deliver" | "work":
                getattr(runtime, name)(choice=choice, times=times)
            case "loop":
                runtime.loop(times=times)
            case "flow":
                runtime.flow(rounds=times)
            case "submit":
                runtime.submit(choice=choice, kind=draw.choice(KINDS), retries=draw.randint(0, 1))
            case "map":
                runtime.map(
                    choice=choice,
                    length=draw.randint(0, 30),
                    chunk_size=draw.randint(0, 3),
                    retries=draw.randint(0, 1),
                )
            case "cancel" | "connect" | "kill_slot":
                getattr(runtime, name)(choice=choice)
            case "cut":
                runtime.cut(choice=choice, side=draw.randrange(3))
            case "kill_scheduler":
                runtime.kill_scheduler(quietly=draw.random() < 0.5)
            case "restart_scheduler":
                runtime.restart_scheduler()
            case "kill_worker":
                runtime.kill_worker(choice=choice, seen=draw.random() < 0.5)
            case "drain_worker":
                runtime.drain_worker(choice=choice)
            case "end_client":
                runtime.end_client(choice=choice, politely=draw.random() < 0.5, seen=draw.random() < 0.5)
            case "scale":
                runtime.scale(choice=choice, slots=draw.randint(1, 4))
            case "later":
                runtime.later(seconds=draw.choice([0.1, 0.3, 1.0, 2.6, 12.0, 31.0, 601.0]))
        runtime.consistent()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_random_run_loses_nothing_and_leaks_nothing(seed: int) -> None:
    runtime = Runtime()
    happen(runtime, random.Random(seed), 400)
    runtime.teardown()


def go_on(world: World, draw: random.Random) -> None:
    """Connections and schedulers die, seldom enough that most of the work is done in between."""
    event, times = draw.random(), draw.randint(1, 8)
    if event < 0.03 and world.wires:
        world.cut(draw.choice(world.wires), draw.randrange(3))
    elif event < 0.045:
        world.kill_scheduler(quietly=draw.random() < 0.5)
    elif event < 0.15:
        world.restart()
    elif event < 0.3:
        draw.choice(world.ends).connect()
    elif event < 0.5:
        for slot in draw.choices(world.processes, k=times):
            slot.work()
    elif event < 0.6:
        world.later(0.05)
    elif event < 0.65:
        world.commit()
    elif event < 0.75:
        world.flow(times)
    else:
        for _ in range(times if world.wires else 0):
            draw.choice([world.arrive, world.deliver])(draw.choice(world.wires), draw.randint(1, 3))


@pytest.mark.parametrize("seed", SEEDS[:60])
def test_R7_nothing_is_run_twice_but_what_had_reached_only_a_scheduler_that_died(seed: int) -> None:
    draw = random.Random(seed)
    world = World(draw.randint(1, 3), draw.randint(1, 3), draw.randint(1, 3), scaling=False)
    for _ in range(300):
        client = draw.choice(world.clients)
        event = draw.random()
        if event < 0.04:
            client.submit(draw.choice(["ok", "raise"]))
        elif event < 0.08:
            client.map([draw.choice(["ok", "raise"]) for _ in range(draw.randint(0, 20))], draw.randint(0, 3))
        else:
            go_on(world, draw)
        world.look()
    finish(world)
    for element, runs in RUNS.items():
        assert runs <= 1 + world.spent[element], f"{element} was run {runs} times"
