"""States change only as the tables say from which the documentation is drawn, and all that these say happens (R1)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from kubefuture.core.transitions import TransitionError, checked
from kubefuture.keeper.supervision import PHASES, Phase, Supervision
from kubefuture.machine.progress import PROGRESS, Progress, progress_of
from kubefuture.machine.slots import STAGES, Stage
from kubefuture.machine.state import State
from kubefuture.protocol.messages import Cancel, Lease, Returned, Revoke, Scale, SlotLost
from kubefuture.scheduler.party import PRESENCES

from tests.runtime.driver import Driver


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> set[tuple[Stage, Stage]]:
    """The transitions that slots have made."""
    seen = set()
    original = State.set_stage

    def set_stage(state, slot, stage):
        old = slot.stage
        original(state, slot, stage)
        seen.add((old, stage))

    monkeypatch.setattr(State, "set_stage", set_stage)
    return seen


class Walk:
    """Random events, such as real peers could cause."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.driver = Driver(2)
        self.workers: dict[int, bool] = {}
        self.leases: dict[int, list[tuple[int, Lease]]] = {}
        self.clients = [self.driver.client(f"client {number}") for number in range(2)]
        self.calls = 0

    def step(self) -> None:
        calm = [self.join, self.back, self.work, self.work, self.finish, self.finish, self.ready, self.ready]
        trouble = [self.leave, self.away, self.raised, self.lose, self.scale, self.cancel, self.goodbye]
        act = self.random.choice([*calm, *trouble])
        act()
        self.driver.tick(self.random.choice([0.0, 0.3, 11.0]))
        for worker in self.workers:
            sent = self.driver.take(worker)
            for message in sent:
                if isinstance(message, Revoke):
                    self.driver.say(worker, Returned(message.slot, message.leases))
                for lease in getattr(message, "leases", ()):
                    if isinstance(lease, Lease):
                        self.leases[worker].append((message.slot, lease))

    def worker(self) -> int | None:
        """One that is connected."""
        there = [worker for worker, here in self.workers.items() if here]
        return self.random.choice(there) if there else None

    def join(self) -> None:
        if len(self.workers) < 2:
            worker = self.driver.join("worker", f"worker {self.random.random()}", 2)
            self.workers[worker], self.leases[worker] = True, []

    def leave(self) -> None:
        if self.workers:
            worker = self.random.choice(list(self.workers))
            del self.workers[worker], self.leases[worker]
            self.driver.leave(worker)

    def away(self) -> None:
        worker = self.worker()
        if worker is not None:
            self.workers[worker] = False
            self.driver.machine.away(worker)

    def back(self) -> None:
        for worker, here in self.workers.items():
            if not here:
                self.workers[worker] = True
                self.driver.machine.back(worker, self.driver.now)

    def slot(self) -> tuple[int, int] | None:
        worker = self.worker()
        if worker is None:
            return None
        slots = self.driver.machine._state.workers[worker].slots
        return (worker, self.random.choice(list(slots))) if slots else None

    def ready(self) -> None:
        place = self.slot()
        if place is not None:
            self.driver.ready(*place)

    def lose(self) -> None:
        place = self.slot()
        if place is not None:
            worker, number = place
            slot = self.driver.machine._state.workers[worker].slots[number]
            lease = next(iter(slot.leases.values()), None)
            gone = slot.stage is Stage.LEAVING and self.random.random() < 0.5
            told = (lease.id, lease.position) if lease is not None else (0, -1)
            self.driver.say(worker, SlotLost(number, *told, "killed by SIGKILL", gone, gone))

    def open_leases(self, worker: int) -> list[Lease]:
        known = self.driver.machine._state.leases
        return [
            lease
            for _, lease in self.leases[worker]
            if lease.id in known and known[lease.id].position == lease.start
        ]

    def finish(self) -> None:
        worker = self.worker()
        if worker is not None and (leases := self.open_leases(worker)):
            self.driver.done(worker, self.random.choice(leases), seconds=0.01)

    def raised(self) -> None:
        worker = self.worker()
        if worker is not None and (leases := self.open_leases(worker)):
            lease = self.random.choice(leases)
            self.driver.raised(worker, lease, lease.start, interrupted=self.random.random() < 0.5)

    def work(self) -> None:
        self.calls += 1
        self.driver.map(self.random.choice(self.clients), self.calls, self.random.randint(1, 9), retries=1)

    def cancel(self) -> None:
        if self.random.random() < 0.3:
            self.driver.say(self.random.choice(self.clients), Cancel((self.calls,)))

    def goodbye(self) -> None:
        client = self.random.choice(self.clients)
        self.clients.remove(client)
        self.driver.leave(client)
        self.clients.append(self.driver.client(f"client {self.random.random()}"))

    def scale(self) -> None:
        self.driver.say(self.clients[0], Scale(self.random.randint(0, 4)))

    def elements(self) -> Iterator[tuple[object, int, Progress]]:
        """Where each element is whose call is known."""
        state = self.driver.machine._state
        for session in state.sessions.values():
            for call in session.calls.values():
                for index in range(call.received):
                    yield call, index, progress_of(state, call, index)


def test_slots_go_through_their_stages_as_the_table_says_and_through_all_of_them(stages):
    for seed in range(30):
        walk = Walk(seed)
        for _ in range(200):
            walk.step()
    assert stages == STAGES.keys()


def test_elements_go_their_way_as_the_table_says_and_all_of_it():
    seen = set()
    for seed in range(30):
        walk = Walk(seed)
        known = {}
        for _ in range(200):
            walk.step()
            state = walk.driver.machine._state
            known |= {(call, index): at for call, index, at in walk.elements() if (call, index) not in known}
            for (call, index), old in known.items():
                new = Progress.DROPPED if call.cancelled else progress_of(state, call, index)
                if new is not old:
                    seen.add((old, new))
                    known[call, index] = new
    assert seen == PROGRESS.keys()


def test_programs_go_through_their_phases_as_the_table_says_and_through_all_of_them(monkeypatch):
    seen = set()
    for seed in range(300):
        chance = random.Random(seed)
        keeper, now = Supervision(["one", "two"], grace=1.0, start_limit=5.0), 0.0
        keeper.begin(now)
        for _ in range(12):
            before = {name: keeper.phase(name) for name in ("one", "two")}
            now += chance.choice([0.0, 0.2, 3.0])
            name = chance.choice(["one", "two"])
            alive = before[name] in (Phase.STARTING, Phase.READY, Phase.ENDING)
            act = chance.choice(["ready", "ready", "ready", "exited", "tick", "tick", "end"])
            if act == "ready" and alive:
                keeper.ready(name, now)
            elif act == "exited" and alive:
                keeper.exited(name, "it exits", now)
            elif act == "tick":
                keeper.tick(now)
            elif act == "end" and chance.random() < 0.3:
                keeper.end(now)
            seen |= {
                (old, keeper.phase(name)) for name, old in before.items() if keeper.phase(name) is not old
            }
    assert seen - PHASES.keys() <= {(a, c) for a, b in PHASES for b2, c in PHASES if b == b2}, (
        "two steps at once"
    )
    assert seen >= PHASES.keys()


@pytest.mark.parametrize("table", [STAGES, PROGRESS, PHASES, PRESENCES])
def test_what_a_table_does_not_have_is_refused(table):
    states = type(next(iter(table))[0])
    for old in states:
        for new in states:
            if (old, new) not in table:
                with pytest.raises(TransitionError, match=old.value):
                    checked(old, new, table)


def test_every_state_can_be_reached_from_the_first_one():
    for table in (STAGES, PROGRESS, PHASES, PRESENCES):
        states = list(type(next(iter(table))[0]))
        reached = {states[0]}
        for _ in pairwise([*states, None]):
            reached |= {new for old, new in table if old in reached}
        assert reached == set(states)
