"""The whole runtime in virtual time: real sessions, machine, server and supervisors, on slow wires (R1).

    Client: ClusterBackend ── wire ──> Server, Machine ── wire ──> Worker: Supervisor, SlotSet ── FakeSlot
                           <── wire ──                 <── wire ──

Nothing happens by itself. Each call of a `World` method lets one thing happen: a message arrive, an element
run, a slot die, a connection break, the scheduler die. So any order of events can be tried, and tried again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from kubefuture.machine.machine import Machine
from kubefuture.scheduler.journal import Room

from tests.runtime.book import Book
from tests.runtime.clients import Client
from tests.runtime.clock import FakeLoop, Process
from tests.runtime.consistency import check_machine, check_nothing_is_left
from tests.runtime.ends import End, Worker
from tests.runtime.fakes import RUNS, SLOTS, FakeSlot
from tests.runtime.stepped import Shelf
from tests.runtime.stepped_blobs import Disk
from tests.runtime.virtual import DEAD, Scheduler, begin_anew
from tests.runtime.wires import Wire


class World:
    """One scheduler after another, workers, and clients.

    Args:
        slots: How many each worker starts with.
        clients: How many there are at first.
        workers: Likewise.
        scaling: The scheduler says how many slots there are to be, as with one worker that it can order about.
        named: There is a journal, so that there can be named maps.
        blobs: There are disks for what functions captured.

    Attributes:
        shelf: Where the journal is.
        disk: Where captured data is.
        book: What was promised of named maps.
        room: What there is room for on the journal's disk.
        wanted: How many slots there are to be, as it is kept for the next scheduler.
        known: The workers that a scheduler knew.
        wires: All connections of which one side knows.
        cancelled: Elements that nobody wants: session and payload.
        serial: Numbers the elements.
        spent: How often an unnamed element's outcome was lost, since only a scheduler that died had it (R4).
        deaths: How many schedulers were killed.
        standing: The clock stands still by itself.
    """

    standing = True

    def __init__(
        self,
        slots: int = 2,
        clients: int = 1,
        workers: int = 1,
        *,
        scaling: bool = True,
        named: bool = False,
        blobs: bool = False,
    ) -> None:
        begin_anew()
        self.serial = itertools.count(1)
        self.spent: Counter[tuple[str, str]] = Counter()
        self.deaths = 0
        self.loop = FakeLoop()
        self.wanted: int | None = slots * workers if scaling else None
        self.cancelled: list[tuple[str, str]] = []
        self.wires: list[Wire] = []
        self.known: dict[str, Any] = {}
        self.generations = itertools.count(1)
        self.shelf = Shelf() if named else None
        self.disk = Disk() if blobs else None
        self.book = Book(self)
        self.room = Room.FREE
        self.scheduler: Scheduler | None = None
        self.clients: list[Client] = []
        self.workers: list[Worker] = []
        self._over: dict[tuple[str, str], int] = {}
        self.restart()
        self.workers = [Worker(self, slots, f"place-{number}") for number in range(workers)]
        self.clients = [Client(self, f"client-{number}") for number in range(clients)]

    @property
    def machine(self) -> Machine:
        """The present scheduler's."""
        assert self.scheduler is not None
        return self.scheduler.machine

    @property
    def ends(self) -> list[End]:
        """Everybody who is alive."""
        return [end for end in (*self.workers, *self.clients) if end.alive]

    @property
    def processes(self) -> list[FakeSlot]:
        """The slots' processes, dead ones too while their end has not been noticed."""
        return [slot for slot in SLOTS if not slot.gone]

    def scaled(self, slots: int) -> None:
        """The scheduler writes down how many slots are wanted."""
        self.wanted = slots

    def wire(self, end: End) -> Wire:
        """A new connection."""
        assert self.scheduler is not None
        wire = Wire(self.scheduler.server, end)
        self.wires.append(wire)
        return wire

    def arrive(self, wire: Wire, together: int = 1) -> bool:
        """Messages arrive at the scheduler, so many at once."""
        assert self.scheduler is not None or not wire.far
        if self.scheduler is not None:
            Process.current = self.scheduler.process
        return wire.arrive(together)

    def deliver(self, wire: Wire, together: int = 1) -> bool:
        """Messages arrive at a client or worker."""
        moved = wire.deliver(together)
        if self.scheduler is not None and wire.far:
            Process.current = self.scheduler.process
            self.scheduler.server.writable(wire.peer)  # type: ignore[arg-type]
            if wire.peer.lane is not None:
                wire.peer.lane.pause(paused=wire.peer.paused)
        return moved

    def cut(self, wire: Wire, side: int) -> None:
        """A connection breaks: one side notices, or both do and what was on the way is lost."""
        if self.scheduler is not None:
            Process.current = self.scheduler.process
        if side == 0:
            wire.cut()
        elif side == 1 and wire.near:
            wire.cut_near()
        elif wire.far:
            wire.cut_far()

    def kill_scheduler(self, *, quietly: bool = False) -> None:
        """The scheduler dies. `quietly`: what it had sent is lost too."""
        if self.scheduler is None:
            return
        self.deaths += 1
        self.spent.update(element for client in self.clients for element in client.only_here(self.machine))
        self.scheduler.process.alive = False
        self.scheduler = None
        self.sweep()
        if self.shelf is not None:
            self.shelf.die()
        for wire in self.wires:
            wire.dies()
            if quietly:
                wire.down.clear()

    def restart(self) -> None:
        """Another scheduler takes its place."""
        if self.scheduler is None:
            self.scheduler = Scheduler(self, next(self.generations))

    def kill_worker(self, worker: Worker, *, seen: bool = False, emptied: bool = False) -> None:
        """A worker dies with its slots, and another one is started in its place; its disk may be `emptied`."""
        if seen:
            DEAD.add(worker.supervisor._hello.identity)
        slots = max(len(worker.supervisor._slots.numbers), 1) if self.wanted is None else self.wanted
        remains = worker.remains
        worker.die()
        if self.disk is not None and emptied:
            self.disk.empty(worker.place)
        self.workers[self.workers.index(worker)] = Worker(self, slots, worker.place, remains)

    def drain_worker(self, worker: Worker) -> None:
        """A worker is told to go; another one is started in its place when it has gone."""
        if not worker.supervisor._leaving:
            with worker.process.running():
                worker.supervisor.drain()

    def end_client(self, client: Client, *, politely: bool, seen: bool = False) -> None:
        """A client leaves or dies, and another one comes."""
        if seen:
            DEAD.add(client.name)
        for kinds in [[kind] for kind, _, _ in client.futures] + [kinds for kinds, _ in client.maps]:
            self.cancelled.extend((client.name, kind) for kind in kinds)
        if politely:
            client.leave()
        else:
            client.die()
        self.clients[self.clients.index(client)] = Client(self, client.name)

    def cancel(self, client: Client, number: int) -> None:
        """A client loses interest in one of its calls."""
        self.cancelled.extend((client.name, kind) for kind in client.cancel(number))

    def write(self) -> bool:
        """What has come of blobs is written, part after part. Returns whether there was anything."""
        return self.disk is not None and self.disk.write()

    def sweep(self) -> None:
        """Whoever is dead has no files open."""
        if self.disk is not None:
            self.disk.sweep()

    def commit(self) -> bool:
        """The journal commits what waits. Returns whether anything did."""
        if self.scheduler is None or self.scheduler.journal is None:
            return False
        with self.scheduler.process.running():
            return self.scheduler.journal._writer.commit()  # type: ignore[attr-defined, no-any-return]

    def later(self, seconds: float) -> None:
        """Time passes; what is to be done regularly is done once."""
        self.loop.now += seconds
        while self.loop.step():
            pass

    def replace_ended(self) -> None:
        """Others are started in the place of workers that have gone."""
        for worker in list(self.workers):
            if worker.alive and worker.supervisor.ended.done():
                assert worker.supervisor._ledger.is_empty, "it goes when nothing is left that only it has"
                self.kill_worker(worker)

    def look(self) -> None:
        """Whatever happens, the scheduler's state agrees with itself."""
        self.replace_ended()
        self.wires = [wire for wire in self.wires if wire.near or wire.far]
        if self.scheduler is not None:
            check_machine(self.machine)
            self.book.look()

    def flow(self, rounds: int) -> None:
        """Nothing breaks for a while, so that there is something to break afterwards."""
        for _ in range(rounds):
            for end in self.ends:
                end.connect()
            self.commit()
            while self.loop.step():
                pass
            for wire in list(self.wires):
                self.arrive(wire, rounds)
                self.deliver(wire, rounds)
            self.write()
            for slot in self.processes:
                slot.work()
            self.look()

    def settle(self, limit: int = 20_000) -> None:
        """Everything happens that still can, until nothing is left to do."""
        self.restart()
        self.room = Room.FREE
        quiet = 0
        for _ in range(limit):
            for end in self.ends:
                end.connect()
            moved = self.commit()
            for client in self.clients:
                client.feed_all()
            while self.loop.step():
                pass
            for wire in list(self.wires):
                moved = (self.arrive(wire) and not wire.is_sign) or moved
                moved = self.deliver(wire) or moved
            moved = self.write() or moved
            for slot in self.processes:
                moved = slot.work() or moved
            self.look()
            if moved:
                quiet = 0
            else:
                quiet += 1
                self.later(31.0 if self.machine.waits else 3.0)
                if quiet == 4:
                    return
        raise AssertionError("the runtime does not come to rest")

    def check(self) -> None:
        """Nothing was lost, nothing is left, and what was cancelled has not come back."""
        for client in self.clients:
            client.check()
        for element, runs in self._over.items():
            assert RUNS[element] == runs, f"{element} was cancelled and has come back"
        self._over = {element: RUNS[element] for element in self.cancelled}
        self.book.check()
        check_nothing_is_left(self)
