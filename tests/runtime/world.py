"""The whole runtime in virtual time: real sessions, machine and slot sets, on wires that are slow (R1).

    Client: Session ── wire ──> Machine ── wire ──> Worker: SlotSet ── FakeSlot
                    <── wire ──         <── wire ──

Nothing happens by itself. Each call of a `World` method lets one thing happen: a message arrive, an element
run, a slot die, a connection break. So any order of events can be tried, and tried again.
"""

from __future__ import annotations

import itertools
import pickle
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

from kubefuture.client.calls import MapCall, TaskCall, exception_of
from kubefuture.client.session import Session
from kubefuture.machine.machine import Machine
from kubefuture.protocol.messages import (
    PROTOCOL,
    Environment,
    Failure,
    Function,
    Hello,
    Message,
    Scale,
    SlotReady,
)
from kubefuture.worker.slot_set import SlotSet

from tests.runtime.fakes import SLOTS, FakeLoop, FakeSlot

LIMIT = 2.5
"""Seconds that an element may run."""


def hello(role: str, name: str, slots: int = 0) -> Hello:
    """A first message."""
    return Hello(role, PROTOCOL, name, "host", 1, Environment("3.11"), slots, (), "/")


class Connection:
    """A connection to the machine: two wires on which messages wait."""

    peers = itertools.count(1)

    def __init__(self) -> None:
        self.peer = next(self.peers)
        self.up: deque[Message] = deque()
        self.down: deque[Message] = deque()


class Client:
    """A program with a session."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self.name = name
        self.link = Connection()
        self.session = Session(threading.RLock(), lambda messages: self.link.up.extend(messages))
        self.futures: list[tuple[str, Future[Any], TaskCall]] = []
        self.maps: list[tuple[list[str], MapCall]] = []
        world.machine.connected(self.link.peer, hello("client", name), world.loop.now)

    def submit(self, kind: str) -> None:
        """A single future."""
        function = Function(0, self.name.encode(), True, limit=LIMIT)
        future: Future[Any] = Future()
        self.futures.append((kind, future, self.session.submit(function, kind.encode(), 0, future)))

    def map(self, kinds: list[str], chunk_size: int = 0, retries: int = 0) -> None:
        """A map, whose elements arrive in two parts."""
        function = Function(0, self.name.encode(), limit=LIMIT)
        call = self.session.start_map(function, total=len(kinds), chunk_size=chunk_size, retries=retries)
        half = len(kinds) // 2
        payloads = [kind.encode() for kind in kinds]
        self.session.add_elements(call, payloads[:half], last=False)
        self.session.add_elements(call, payloads[half:], last=True)
        self.maps.append((kinds, call))

    def cancel(self, number: int) -> None:
        """The caller loses interest in one of the calls."""
        calls = [*self.futures, *self.maps]
        if calls:
            *_, call = calls[number % len(calls)]
            if isinstance(call, TaskCall):
                next(future for _, future, one in self.futures if one is call).cancel()
            self.session.cancel(call)

    def deliver(self) -> bool:
        """A message of the scheduler arrives."""
        if self.link.down:
            with self.session.lock:
                self.session.receive(self.link.down.popleft())
            self.session.deliver()
            return True
        return False

    def reconnect(self) -> None:
        """The connection breaks, and there is a new one."""
        self._world.machine.disconnected(self.link.peer, self._world.loop.now)
        self._world.post()
        self.link = Connection()
        self._world.machine.connected(self.link.peer, hello("client", self.name), self._world.loop.now)
        with self.session.lock:
            self.link.up.extend(self.session.resume())

    def check(self) -> None:
        """Every element has ended exactly once, and as it had to."""
        for kind, future, _ in self.futures:
            assert future.done(), f"future {kind} has not ended"
            if not future.cancelled():
                assert self._outcome(future.exception() or future.result()) == self._expected(
                    kind, future.exception()
                )
        for kinds, call in self.maps:
            if call.cancelled:
                continue
            ended: list[int] = []
            for item in call.arrived:
                if isinstance(item, Failure):
                    ended.append(item.index)
                    assert self._may_fail(kinds[item.index], item)
                else:
                    for index, payload in enumerate(item.payloads, item.start):  # type: ignore[union-attr]
                        ended.append(index)
                        assert pickle.loads(payload) == (self.name, kinds[index])
            assert sorted(ended) == list(range(len(kinds))), "each element ends once"

    def _may_fail(self, kind: str, failure: Failure) -> bool:
        return (
            kind.startswith("raise")
            or failure.kind == "poison"
            or isinstance(exception_of(failure), TimeoutError)
        )

    def _outcome(self, value: Any) -> Any:
        return type(value).__name__ if isinstance(value, BaseException) else value

    def _expected(self, kind: str, error: BaseException | None) -> Any:
        if type(error).__name__ in ("PoisonError", "TimeoutError"):
            return type(error).__name__  # whatever it does: slots are killed, and time passes while it runs
        if kind.startswith("slow"):
            return "TimeoutError"
        return "ValueError" if kind.startswith("raise") else (self.name, kind)


class Worker:
    """A supervisor with its slots."""

    def __init__(self, world: World, slots: int) -> None:
        self._world = world
        self.link = Connection()
        self.slots = SlotSet(
            world.loop,  # type: ignore[arg-type]
            environment={},
            report=lambda messages: self.link.up.extend(messages),
            trouble=lambda sentence: None,
        )
        for number in range(slots):
            self.slots.start(number)
        self._join(slots)

    def deliver(self) -> bool:
        """A message of the scheduler arrives."""
        if self.link.down:
            self.slots.handle(self.link.down.popleft())
            return True
        return False

    def reconnect(self) -> None:
        """As the supervisor does: its slots are replaced, and it introduces itself anew."""
        while self._world.loop.step():
            pass  # what the loop was asked to do before it noticed
        self._world.machine.disconnected(self.link.peer, self._world.loop.now)
        self._world.post()
        self.link = Connection()
        slots = self._world.machine.wanted or 0
        self.slots.restart(slots)
        self._join(slots)

    def _join(self, slots: int) -> None:
        self._world.machine.connected(self.link.peer, hello("worker", "worker", slots), self._world.loop.now)
        self.link.up.extend(SlotReady(number, pid) for number, pid in self.slots.ready)


class World:
    """One scheduler, one worker, and clients."""

    def __init__(self, slots: int = 2, clients: int = 1) -> None:
        SLOTS.clear()
        self.loop = FakeLoop()
        self.machine = Machine(hello("scheduler", "epoch"), now=0.0, wanted=slots)
        self.worker = Worker(self, slots)
        self.clients = [Client(self, f"client-{number}") for number in range(clients)]
        self.post()

    @property
    def processes(self) -> list[FakeSlot]:
        """The slots' processes, dead ones too while their end has not been noticed."""
        return [slot for slot in SLOTS if not slot.gone]

    def post(self) -> None:
        """What the machine wants sent goes onto the wires."""
        for peer, messages in self.machine.take().items():
            for end in (self.worker, *self.clients):
                if end.link.peer == peer:
                    end.link.down.extend(messages)

    def arrive(self, link: Connection) -> bool:
        """One message arrives at the machine."""
        if not link.up:
            return False
        self.machine.received(link.peer, link.up.popleft(), self.loop.now)  # type: ignore[arg-type]
        self.post()
        return True

    def scale(self, slots: int) -> None:
        """Somebody wants another number of slots."""
        control = Connection()
        self.machine.connected(control.peer, hello("control", "control"), self.loop.now)
        self.machine.received(control.peer, Scale(slots), self.loop.now)
        self.post()

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.loop.now += seconds
        self.worker.slots.check()
        self.machine.tick(self.loop.now)
        self.post()

    def settle(self, limit: int = 20_000) -> None:
        """Everything happens that still can, until nothing is left to do."""
        quiet = 0
        for _ in range(limit):
            moved = self.loop.step()
            for end in (self.worker, *self.clients):
                moved = self.arrive(end.link) or moved
                moved = end.deliver() or moved
            for slot in self.processes:
                moved = slot.step() or moved
                moved = slot.deliver() or moved
            self.post()
            if not moved:
                quiet += 1
                self.later(3.0)
                if quiet == 4:
                    return
            else:
                quiet = 0
        raise AssertionError("the runtime does not come to rest")

    def check(self) -> None:
        """Nothing was lost and nothing is left."""
        for client in self.clients:
            client.check()
        status = self.machine.status(self.loop.now)
        assert (status.queued, status.running) == (0, 0)
        assert len(self.processes) == self.machine.wanted, "as many slots as are wanted"
        assert len(self.worker.slots.ready) == self.machine.wanted
