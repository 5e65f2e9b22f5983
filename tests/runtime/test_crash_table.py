"""Whoever dies just before or after a message, the page about it says what becomes of the work (R4 to R8, R10).

The table is docs/explanation/crash-table.md itself: its cells are the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, get_args

import pytest
from kubefuture.protocol import blob_messages, messages, named_messages
from kubefuture.protocol.messages import AnyMessage, StatusRequest

from tests.runtime.fakes import RUNS
from tests.runtime.test_simulation import finish
from tests.runtime.wires import Wire
from tests.runtime.world import World, virtual_time  # noqa: F401

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "crash-table.md"
NOT_HERE = {"Refused", "Ready"}
"""Nothing is under way, or who says it dies with who hears it."""

pytestmark = pytest.mark.filterwarnings("ignore:.*without a seed")


class Row(NamedTuple):
    """One of the table."""

    message: str
    sender: str
    receiver: str
    sender_dies: str
    receiver_dies: str
    link_breaks: str
    because: str


def rows() -> list[Row]:
    """The table of the page."""
    lines = [
        line.strip("| \n").split(" | ")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line[:2] == "| "
    ]
    return [Row(*cells) for cells in lines[1:]]


TABLE = {row.message: row for row in rows()}


def kinds_of(module: ModuleType) -> set[str]:
    """The messages of one module."""
    return {
        name
        for name in dir(messages)
        if getattr(getattr(module, name, None), "__module__", "") == module.__name__
    }


NAMED = kinds_of(named_messages)
"""Messages about named maps."""

ALSO_NAMED = ("Ack", "Bye", "Cancel", "Done", "Elements", "Function", "Raised", "Release", "Resumed", "Run")
"""Those that named maps need, too."""

CELLS = [
    (message, fault, moment, commits)
    for message, stories in [
        *((message, [""]) for message in TABLE if message not in NAMED),
        *((message, ["early", "late"]) for message in sorted(NAMED)),
        *((message, ["late"]) for message in ALSO_NAMED),
    ]
    for fault in ("sender_dies", "receiver_dies", "link_breaks")
    for moment in ("before", "after")
    for commits in stories
]


class Fault:
    """Strikes at one message.

    Args:
        message: Its type.
        kind: What happens: a column of the table.
        moment: `before` it arrives, or `after` it did.
        occurrence: To which one of its type.
        commits: In the story of named maps the journal commits `early`, at once, or `late`, when nothing else
            happens; empty for the other story.

    Attributes:
        seen: How many of its type came by.
        dead: Whose process died: `client`, `worker`, `scheduler`, or nobody's.
    """

    def __init__(self, message: str, kind: str, moment: str, occurrence: int, commits: str) -> None:
        self.commits = commits
        self._message, self._kind, self._moment = message, kind, moment
        self._occurrence = occurrence
        self.seen = 0
        self.dead = ""
        self.struck = False

    def pass_by(self, world: World, wire: Wire, *, up: bool, step: Callable[[Wire], bool]) -> bool:
        """The next thing on a wire happens, or the fault does in its place or after it."""
        queue, open_ = (wire.up, wire.far) if up else (wire.down, wire.near)
        if not open_ or not queue or type(queue[0]).__name__ != self._message:
            return step(wire)
        self.seen += 1
        if self.seen - 1 != self._occurrence:
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
        while world.loop.step():
            pass


def pump(world: World, fault: Fault) -> None:
    """Messages arrive and elements run, until nothing happens for a second."""
    quiet = 0
    while quiet < 4:
        world.restart()
        for end in world.ends:
            end.connect()
        while world.loop.step():
            pass
        moved = False
        for wire in list(world.wires):
            moved = fault.pass_by(world, wire, up=True, step=world.arrive) or moved
            if fault.commits == "early":
                moved = world.commit() or moved
            moved = fault.pass_by(world, wire, up=False, step=world.deliver) or moved
        for slot in world.processes:
            with slot.process.running():
                moved = slot.step() or moved
                moved = slot.deliver() or moved
        world.look()
        moved = moved or world.commit()
        quiet = 0 if moved else quiet + 1
        if not moved:
            world.later(0.3)


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
    world.clients[0].map(["ok"] * 8, chunk_size=1)
    a_few_rounds(world, fault)
    world.kill_scheduler(quietly=True)
    pump(world, fault)
    world.end_client(world.clients[1], politely=True)
    pump(world, fault)
    return world


def play_named(fault: Fault) -> World:
    """A story of named maps, in which every message about them is said."""
    world = World(slots=2, clients=3, workers=1, named=True)
    pump(world, fault)
    world.clients[0].begin("one", ["ok"] * 5, chunk_size=2)
    world.clients[0].feed_all()
    world.clients[1].begin("two", ["ok", "raise", "die", "ok"])
    world.clients[1].feed(world.clients[1].named[0], 2)
    pump(world, fault)
    world.clients[1].attach("one")
    world.clients[1].begin("one", ["ok"])
    world.clients[2].attach("nowhere")
    world.clients[1].feed_all()
    pump(world, fault)
    world.clients[0].begin("run", ["ok"] * 4, again=True)
    world.clients[0].feed(world.clients[0].named[-1], 2)
    pump(world, fault)
    world.end_client(world.clients[0], politely=True)
    world.clients[0].begin("run", ["ok"] * 4, again=True)
    pump(world, fault)
    world.clients[0].feed_all()
    world.clients[2].begin("unwanted", ["slow"] + ["ok"] * 6, chunk_size=1)
    world.clients[2].feed_all()
    world.clients[1].attach("unwanted")
    pump(world, fault)
    world.clients[0].forget("unwanted")
    world.clients[2].begin("cancelled", ["slow"] + ["ok"] * 6, chunk_size=1)
    world.clients[2].feed_all()
    pump(world, fault)
    world.clients[2].cancel_named(-1)
    pump(world, fault)
    world.clients[0].begin("last", ["ok"] * 6, chunk_size=1)
    world.clients[0].feed_all()
    a_few_rounds(world, fault)
    world.kill_scheduler(quietly=True)
    pump(world, fault)
    world.clients[1].forget("one")
    pump(world, fault)
    return world


@cache
def occurrences(message: str, commits: str) -> tuple[int, ...]:
    """Which ones of a message are tried: the first two and the last."""
    fault = Fault(message, "", "", -1, commits)
    (play_named if commits else play)(fault)
    return tuple(sorted({0, min(1, fault.seen - 1), fault.seen - 1})) if fault.seen else ()


def test_the_page_lists_every_message() -> None:
    said = {kind.__name__ for kind in get_args(AnyMessage)}
    assert set(TABLE) == said - kinds_of(blob_messages) - NOT_HERE


@pytest.mark.parametrize(("message", "commits"), sorted({(cell[0], cell[3]) for cell in CELLS}))
def test_the_stories_have_every_message(message: str, commits: str) -> None:
    assert occurrences(message, commits)


@pytest.mark.parametrize(("message", "kind", "moment", "commits"), CELLS)
def test_R5_R6_R7_R8_the_table_is_true(message: str, kind: str, moment: str, commits: str) -> None:
    for occurrence in occurrences(message, commits):
        fault = Fault(message, kind, moment, occurrence, commits)
        world = (play_named if commits else play)(fault)
        assert fault.struck
        claim = getattr(TABLE[message], kind)
        client = "stays" if message in NAMED else "cancelled"
        words = {"": "goes on", "scheduler": "goes on", "client": client, "worker": "again"}
        word = words[fault.dead]
        assert word in claim or (claim == "by who dies" and fault.dead)
        finish(world)
        assert commits or world.wanted == 3 or fault.dead == "client", "an order to scale is not lost"
        if word != "again":
            twice = [
                element
                for element, runs in RUNS.items()
                if runs > 1 and element[1].startswith(("ok", "raise"))
            ]
            assert not set(twice) - set(world.cancelled), "nothing is run twice"
