"""The simulator with a clock that runs: messages are under way for a while, elements take their time."""

from __future__ import annotations

import random
from typing import Any

from kubefuture.worker import slot_set

from tests.runtime.ends import End, Worker
from tests.runtime.fakes import RUNS, FakeSlot
from tests.runtime.wires import Wire
from tests.runtime.world import World


class TimedSlot(FakeSlot):
    """A slot that goes on by itself.

    Attributes:
        draw: How long elements take, as for everything that is left to chance.
        longest: An element takes up to so many seconds.
    """

    draw = random.Random(0)
    longest = 1.0

    def __init__(self, *args: Any) -> None:
        self._stirred = False
        super().__init__(*args)
        self._stir(self.draw.uniform(0.1, 1.0))

    def run(self, message: Any) -> None:
        super().run(message)
        self._stir()

    def interrupt(self, lease: int) -> None:
        super().interrupt(lease)
        self._stir()

    def kill(self) -> None:
        super().kill()
        self._stir()

    def finish(self) -> None:
        super().finish()
        self._stir()

    def _stir(self, seconds: float = 0.0) -> None:
        if not self._stirred:
            self._stirred = True
            self.process.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._stirred = False
        began = self._running is None
        moved = self.step()
        while self.deliver():
            moved = True
        if moved and not self.gone:
            self.seconds = self.draw.uniform(0.0, self.longest)
            self._stir(self.seconds if began or self._running is not None else 0.0)


class TimedWire(Wire):
    """A wire that delivers what is on it after a while."""

    def __init__(self, world: TimedWorld, end: End) -> None:
        assert world.scheduler is not None
        self._world = world
        self._under_way = False
        super().__init__(world.scheduler.server, end)

    def sent(self) -> None:
        """It arrives in a few milliseconds, sometimes later."""
        if not self._under_way:
            self._under_way = True
            draw = self._world.draw
            delay = draw.uniform(0.001, 0.02) if draw.random() < 0.95 else draw.uniform(0.1, 2.0)
            self._world.loop.call_later(delay, self._go)

    def cut_near(self) -> None:
        """The end connects again after a while, as it would."""
        super().cut_near()
        self._world.come_back(self.end)

    def _go(self) -> None:
        self._under_way = False
        while self._world.arrive(self) or self._world.deliver(self):
            pass


class TimedWorld(World):
    """Clients that connect again by themselves, after a while."""

    standing = False

    at_stake: int
    """Elements that were begun, and whose outcome no client had, when a scheduler died: they may have to run again."""

    def __init__(self, seed: int, **what: Any) -> None:
        self.draw = TimedSlot.draw = random.Random(seed)
        self.at_stake = 0
        super().__init__(**what)
        if self.shelf is not None:
            self._commit()

    def wire(self, end: End) -> Wire:
        wire = TimedWire(self, end)
        self.wires.append(wire)
        return wire

    def arrive(self, wire: Wire, together: int = 1) -> bool:
        return self.scheduler is not None and super().arrive(wire, together)

    def lose(self, wire: Wire) -> None:
        """A connection breaks; its end is back after a while, perhaps before all that it had sent has arrived."""
        self.cut(wire, self.draw.randrange(3))
        wire.sent()  # the other side notices when it has got that

    def kill_worker(self, worker: Worker, *, seen: bool = False, emptied: bool = False) -> None:
        """Another one is started in its place, and connects as soon as there is a scheduler."""
        number = self.workers.index(worker)
        super().kill_worker(worker, seen=seen, emptied=emptied)
        self._try(self.workers[number])

    def fail(self, seconds: float) -> None:
        """The scheduler dies, and another one is there a little later."""
        self.at_stake += len(RUNS) - sum(client.ended for client in self.clients)
        self.kill_scheduler(quietly=self.draw.random() < 0.5)
        self.loop.call_later(seconds, self._again)

    def _again(self) -> None:
        for wire in self.wires:
            if wire.near:
                wire.cut_near()
        self.wires.clear()
        self.restart()

    def _commit(self) -> None:
        self.commit()
        self.loop.call_later(self.draw.uniform(0.001, 0.1), self._commit)

    def come_back(self, end: End) -> None:
        """Somebody whose connection has ended connects again after a while, and tries until it is there."""
        self.loop.call_later(self.draw.uniform(0.01, 4.0), lambda: self._try(end))

    def _try(self, end: End) -> None:
        end.connect()
        if end.alive and end.wire is None:
            self.come_back(end)

    def run(self, until: float) -> None:
        """The clock goes on until then."""
        while self.loop.step(until):
            pass
        self.loop.now = until

    @property
    def busy(self) -> bool:
        """Whether a client still waits for something."""
        return any(client.session.busy for client in self.clients)


def use_timed_slots(monkeypatch: Any) -> None:
    """Makes slot sets start slots that go on by themselves."""
    monkeypatch.setattr(slot_set, "SlotProcess", TimedSlot)
