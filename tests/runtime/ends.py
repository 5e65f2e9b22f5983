"""Who connects to the simulator's scheduler; and its workers: real ones, with wires in place of sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubefuture.protocol.messages import (
    AnyMessage,
    Predecessor,
    Struck,
)
from kubefuture.worker.supervisor import Supervisor

from tests.runtime.clock import Process
from tests.runtime.fakes import SLOTS, FakeSlot
from tests.runtime.wires import Wire

if TYPE_CHECKING:
    from tests.runtime.world import World


class End:
    """Somebody who connects to the scheduler, again and again.

    Attributes:
        alive: Its process runs.
        wire: Its connection, None while it has none.
    """

    role = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.process = Process(world.loop)
        self.alive = True
        self.wire: Wire | None = None

    def connect(self) -> None:
        """Connects, unless it is connected or there is no scheduler."""
        if self.alive and self.wire is None and self.world.scheduler is not None:
            while self.world.standing and self.world.loop.step():
                pass  # a loop gets round to what it was asked before a new connection is there
            self.wire = self.world.wire(self)
            with self.process.running():
                self.host._greet(self.wire.link)

    def receive(self, messages: list[AnyMessage]) -> None:
        """Messages arrive."""
        with self.process.running():
            self.host._receive(messages)

    def die(self) -> None:
        """Its process is killed: what it has sent may still arrive."""
        self.alive = self.process.alive = False
        if self.wire is not None:
            self.wire.near = False
            self.wire = None

    @property
    def host(self) -> Any:
        """What the program does around its state."""
        raise NotImplementedError


class Worker(End):
    """A supervisor with its slots."""

    role = "worker"

    def __init__(
        self, world: World, slots: int, place: str = "", remains: list[Struck] | None = None
    ) -> None:
        super().__init__(world)
        self.place = place
        with self.process.running():
            self.supervisor = Supervisor(
                None,  # type: ignore[arg-type]
                slots,  # type: ignore[arg-type]
                {},
                ready=lambda: None,
                log=lambda line: None,
                place=place,
                blobs=None if world.disk is None else world.disk.of(place),
            )
            self.supervisor._tick()
            if remains:
                self.supervisor._report([Predecessor(remains)])
            for number in range(slots):
                self.supervisor._slots.start(number)
        if world.disk is not None:
            world.disk.used_by(self.process, self.supervisor._blobs)
        self.connect()

    @property
    def host(self) -> Any:
        return self.supervisor

    @property
    def slots(self) -> list[FakeSlot]:
        """Its slots' processes, dead ones too while their end has not been noticed."""
        return [slot for slot in SLOTS if slot.process is self.process and not slot.gone]

    @property
    def remains(self) -> list[Struck]:
        """What its slots are on, as their pages say."""
        return [
            Struck(self.supervisor._slots._numbers[slot], slot.held, slot._position, "killed")  # type: ignore[index]
            for slot in self.slots
            if slot.held is not None
        ]

    def receive(self, messages: list[AnyMessage]) -> None:
        """Messages arrive."""
        with self.process.running():
            self.supervisor._handle(messages)

    def parted(self, wire: Wire) -> None:
        """The connection has ended."""
        if self.wire is wire:
            self.wire = None
            self.supervisor._parted()

    def die(self) -> None:
        """The worker and its slots are killed."""
        super().die()
        for slot in self.slots:
            slot.dies()
        SLOTS[:] = [slot for slot in SLOTS if slot.process is not self.process]
        self.world.sweep()
