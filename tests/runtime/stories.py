"""Stories in which every message is said, and a fault that strikes at one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from kubefuture.client.session import Files
from kubefuture.core import blobs
from kubefuture.protocol.messages import Blob, StatusRequest

from tests.runtime.stepped_blobs import captured
from tests.runtime.wires import Wire
from tests.runtime.world import World


class Hop(NamedTuple):
    """Between whom a message goes.

    Attributes:
        role: Who is not the scheduler.
        up: It goes to the scheduler.
    """

    role: str
    up: bool


class Fault:
    """Strikes at one message.

    Args:
        message: Its type.
        kind: What happens: a column of the table.
        moment: `before` it arrives, or `after` it did.
        hop: Between whom it goes then; None for a fault that never strikes.
        occurrence: To which one of its type there.

    Attributes:
        seen: How many of its type came by.
        dead: Whose process died: `client`, `worker`, `scheduler`, or nobody's.
    """

    def __init__(
        self, message: str, kind: str = "", moment: str = "", hop: Hop | None = None, occurrence: int = 0
    ) -> None:
        self._message, self._kind, self._moment = message, kind, moment
        self._hop, self._occurrence = hop, occurrence
        self.seen: Counter[Hop] = Counter()
        self.dead = ""
        self.struck = False

    def pass_by(self, world: World, wire: Wire, *, up: bool, step: Callable[[Wire], bool]) -> bool:
        """The next thing on a wire happens, or the fault does in its place or after it."""
        queue, open_ = (wire.up, wire.far) if up else (wire.down, wire.near)
        if not open_ or not queue or type(queue[0]).__name__ != self._message:
            return step(wire)
        hop = Hop(wire.end.role, up)
        self.seen[hop] += 1
        if hop != self._hop or self.seen[hop] - 1 != self._occurrence:
            return step(wire)
        self.struck = True
        if self._moment == "after":
            step(wire)
        elif self._kind == "sender_dies":
            queue.clear()
        self._strike(world, wire, up=up)
        return True

    def _strike(self, world: World, wire: Wire, *, up: bool) -> None:
        if self._kind == "link_breaks":
            world.cut(wire, 0)
            return
        if (self._kind == "sender_dies") != up:
            self.dead = "scheduler"
            world.kill_scheduler(quietly=True)
            return
        self.dead = wire.end.role
        if not wire.end.alive:
            return
        if self.dead == "client":
            world.end_client(wire.end, politely=False)
        else:
            world.kill_worker(wire.end)


def a_few_rounds(world: World, fault: Fault) -> None:
    """Some messages arrive, so that a map is in the middle of its life."""
    for _ in range(4):
        for wire in list(world.wires):
            fault.pass_by(world, wire, up=True, step=world.arrive)
            fault.pass_by(world, wire, up=False, step=world.deliver)
        world.write()
        while world.loop.step():
            pass


def once(world: World, fault: Fault, *, early: bool = False) -> bool:
    """Everybody does one thing, if there is anything to do."""
    world.restart()
    for end in world.ends:
        end.connect()
    while world.loop.step():
        pass
    moved = False
    for wire in list(world.wires):
        moved = fault.pass_by(world, wire, up=True, step=world.arrive) or moved
        if early:
            moved = world.commit() or moved
        moved = fault.pass_by(world, wire, up=False, step=world.deliver) or moved
    moved = world.write() or moved
    for slot in world.processes:
        moved = slot.work() or moved
    world.look()
    return moved or world.commit()


def pump(world: World, fault: Fault, *, early: bool = False) -> None:
    """Messages arrive and elements run, until nothing happens for a second; the journal may commit `early`, at once."""
    quiet = 0
    for _ in range(2000):
        quiet = 0 if once(world, fault, early=early) else quiet + 1
        if quiet:
            world.later(0.3)
        if quiet == 4:
            return
    raise AssertionError("the runtime does not come to rest")


def until_data_moves(world: World, fault: Fault, *, early: bool = False) -> None:
    """The same, until the scheduler has got some of what a function captured."""
    assert world.disk is not None
    for _ in range(60):
        if any(file.suffix for file in world.disk.files("scheduler")):
            break
        once(world, fault, early=early)
    once(world, fault, early=early)


def play(fault: Fault) -> World:
    """A story in which every message is said."""
    world = World(slots=2, clients=2, workers=1)
    pump(world, fault)
    world.clients[0].submit("ok")
    world.clients[0].submit("raise")
    world.clients[1].map(["draw"])
    world.clients[0].map(["ok"] * 5, chunk_size=2)
    pump(world, fault)
    world.clients[1].map(["ok"] * 3)  # a slot changes hands
    pump(world, fault)
    world.clients[0].map(["slow"] + ["ok"] * 6, chunk_size=1)
    with world.clients[0].process.running():
        for call in list(world.clients[0].backend.session._maps.values()):
            world.clients[0].backend.session.watch(call)
    pump(world, fault)
    if world.workers[0].alive:
        world.kill_worker(world.workers[0])
    pump(world, fault)
    world.cancel(world.clients[0], len(world.clients[0].futures) + len(world.clients[0].maps) - 1)
    pump(world, fault)
    world.clients[1].submit("die")
    world.clients[1].scale(1)
    pump(world, fault)
    world.clients[0].scale(3)
    with world.clients[0].process.running():
        world.clients[0].backend._send([StatusRequest()])
    pump(world, fault)
    world.clients[0].map(["ok"] * 6, chunk_size=1)
    a_few_rounds(world, fault)
    if world.workers[0].alive:
        world.drain_worker(world.workers[0])
    pump(world, fault)
    world.clients[0].map(["ok"] * 8, chunk_size=1)
    a_few_rounds(world, fault)
    world.kill_scheduler(quietly=True)
    pump(world, fault)
    world.end_client(world.clients[1], politely=True)
    pump(world, fault)
    return world


def play_named(fault: Fault, *, early: bool) -> World:
    """A story of named maps, in which every message about them is said."""
    world = World(slots=2, clients=3, workers=1, named=True)
    pump(world, fault, early=early)
    world.clients[0].begin("one", ["ok"] * 5, chunk_size=2)
    world.clients[0].feed_all()
    world.clients[1].begin("two", ["ok", "raise", "die", "ok"])
    world.clients[1].feed(world.clients[1].named[0], 2)
    pump(world, fault, early=early)
    world.clients[1].attach("one")
    world.clients[1].begin("one", ["ok"])
    world.clients[2].attach("nowhere")
    world.clients[1].feed_all()
    pump(world, fault, early=early)
    world.clients[0].begin("run", ["ok"] * 4, again=True)
    for one in world.clients[0].named[-1:]:
        world.clients[0].feed(one, 2)
    pump(world, fault, early=early)
    world.end_client(world.clients[0], politely=True)
    world.clients[0].begin("run", ["ok"] * 4, again=True)
    pump(world, fault, early=early)
    world.clients[0].feed_all()
    world.clients[2].begin("unwanted", ["slow"] + ["ok"] * 6, chunk_size=1)
    world.clients[2].feed_all()
    world.clients[1].attach("unwanted")
    pump(world, fault, early=early)
    world.clients[0].forget("unwanted")
    world.clients[2].begin("cancelled", ["slow"] + ["ok"] * 6, chunk_size=1)
    world.clients[2].feed_all()
    pump(world, fault, early=early)
    world.clients[2].cancel_named(-1)
    pump(world, fault, early=early)
    world.clients[0].begin("last", ["ok"] * 6, chunk_size=1)
    world.clients[0].feed_all()
    a_few_rounds(world, fault)
    world.kill_scheduler(quietly=True)
    pump(world, fault, early=early)
    world.clients[1].forget("one")
    pump(world, fault, early=early)
    return world


def play_blobs(fault: Fault) -> World:
    """A story of captured data, in which every message about it is said, but for those about named maps."""
    world = World(slots=2, clients=2, workers=1, blobs=True)
    first, second = files(1), files(2)
    pump(world, fault)
    world.clients[0].map(["ok"] * 5, chunk_size=2, files=first)
    world.clients[1].submit("ok", files=first)
    pump(world, fault)
    damage(world, "scheduler")
    world.kill_worker(world.workers[0], emptied=True)
    world.clients[0].map(["ok"] * 3, files=first)
    pump(world, fault)
    world.clients[0].map(["ok"] * 4, chunk_size=1, files=second)
    until_data_moves(world, fault)
    world.clients[1].map(["ok"] * 3, chunk_size=1, files=second)
    world.cancel(world.clients[0], -1)  # who sends it has it no more, and another one has
    pump(world, fault)
    world.clients[0].map(["ok"] * 3, chunk_size=1, files=files(3))
    until_data_moves(world, fault)
    world.cancel(world.clients[0], -1)  # nobody has it
    pump(world, fault)
    world.clients[0].map(["ok"] * 6, chunk_size=1, files=files(4, 5))
    until_data_moves(world, fault)
    world.kill_scheduler(quietly=True)
    pump(world, fault)
    return world


def play_named_blobs(fault: Fault, *, early: bool) -> World:
    """The same of named maps, whose data is on the scheduler's disk before they are begun."""
    world = World(slots=2, clients=3, workers=1, named=True, blobs=True)
    first, second, third = files(1), files(2), files(3)
    pump(world, fault, early=early)
    world.clients[0].begin("one", ["ok"] * 5, chunk_size=2, files=(*first, *second))
    world.clients[1].begin("two", ["ok", "raise", "ok"], files=first)
    world.clients[0].feed_all()
    world.clients[1].feed(world.clients[1].named[0], 2)
    world.clients[2].begin("refused", ["ok"] * 3, files=too_much())
    world.clients[2].feed_all()
    pump(world, fault, early=early)
    for one in world.clients[1].named:
        world.clients[1].refer(one, (*first, *second, *third))
    world.clients[1].feed_all()
    world.clients[2].map(["ok"] * 2, files=files(4))
    pump(world, fault, early=early)
    world.clients[2].begin("three", ["ok"] * 2, files=files(4))  # it is there, but not for sure
    world.clients[2].feed_all()
    world.clients[0].begin("run", ["ok"] * 4, files=first, again=True)
    for one in world.clients[0].named[-1:]:
        world.clients[0].feed(one, 2)
    pump(world, fault, early=early)
    world.end_client(world.clients[0], politely=True)
    world.clients[0].begin("run", ["ok"] * 4, files=files(5), again=True)
    pump(world, fault, early=early)
    world.clients[0].feed_all()
    pump(world, fault, early=early)
    world.kill_worker(world.workers[0], emptied=True)
    world.clients[2].begin("last", ["ok"] * 6, chunk_size=1, files=(*second, *files(6)))
    world.clients[2].feed_all()
    until_data_moves(world, fault, early=early)
    world.kill_scheduler(quietly=True)
    pump(world, fault, early=early)
    world.clients[2].begin("cancelled", ["ok"] * 3, files=files(7))
    until_data_moves(world, fault, early=early)
    world.clients[2].cancel_named(-1)
    world.clients[1].forget("one")
    pump(world, fault, early=early)
    return world


def files(*numbers: int) -> Files:
    """Data that functions capture."""
    return tuple(blobs.keep([memoryview(captured(number))]) for number in numbers)


def too_much() -> Files:
    """Data for which there is no room."""
    (file,) = files(99)
    file.blob = Blob(file.blob.digest, 1 << 50)
    return (file,)


def damage(world: World, name: str) -> None:
    """What is on a disk is not what it was."""
    assert world.disk is not None
    world.disk.damage(name)


STORIES: dict[str, Callable[[Fault], World]] = {
    "work": play,
    "named, committed early": partial(play_named, early=True),
    "named, committed late": partial(play_named, early=False),
    "data": play_blobs,
    "named data, committed early": partial(play_named_blobs, early=True),
    "named data, committed late": partial(play_named_blobs, early=False),
}
"""What is told with a fault in it. The journal commits `early`, at once, or `late`, when nothing else happens."""
