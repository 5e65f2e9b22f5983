"""Whoever dies just before or after a message, the page about it says what becomes of the work (R4, R7, R10).

The table is docs/explanation/crash-table.md itself: its cells are the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from kubefuture.protocol import messages, named_messages
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
CELLS = [
    (message, fault, moment)
    for message in TABLE
    for fault in ("sender_dies", "receiver_dies", "link_breaks")
    for moment in ("before", "after")
]


class Fault:
    """Strikes at one message.

    Attributes:
        seen: How many of its type came by.
        dead: Whose process died: `client`, `worker`, `scheduler`, or nobody's.
    """

    def __init__(self, message: str, kind: str, moment: str, occurrence: int) -> None:
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
            moved = fault.pass_by(world, wire, up=False, step=world.deliver) or moved
        for slot in world.processes:
            with slot.process.running():
                moved = slot.step() or moved
                moved = slot.deliver() or moved
        world.look()
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
    for _ in range(4):
        for wire in list(world.wires):
            fault.pass_by(world, wire, up=True, step=world.arrive)
            fault.pass_by(world, wire, up=False, step=world.deliver)
        while world.loop.step():
            pass
    world.kill_scheduler(quietly=True)
    pump(world, fault)
    world.end_client(world.clients[1], politely=True)
    pump(world, fault)
    return world


@cache
def occurrences(message: str) -> tuple[int, ...]:
    """Which ones of a message are tried: the first two and the last."""
    fault = Fault(message, "", "", -1)
    play(fault)
    return tuple(sorted({0, min(1, fault.seen - 1), fault.seen - 1})) if fault.seen else ()


def test_the_page_lists_every_message() -> None:
    named = {
        name
        for name in dir(messages)
        if getattr(getattr(named_messages, name, None), "__module__", "") == named_messages.__name__
    }
    said = {kind.__name__ for kind in get_args(AnyMessage)}
    assert set(TABLE) == said - named - NOT_HERE


@pytest.mark.parametrize("message", TABLE)
def test_the_story_has_every_message(message: str) -> None:
    assert occurrences(message)


@pytest.mark.parametrize(("message", "kind", "moment"), CELLS)
def test_R7_the_table_is_true(message: str, kind: str, moment: str) -> None:
    for occurrence in occurrences(message):
        fault = Fault(message, kind, moment, occurrence)
        world = play(fault)
        assert fault.struck
        claim = getattr(TABLE[message], kind)
        words = {"": "goes on", "scheduler": "goes on", "client": "cancelled", "worker": "again"}
        word = words[fault.dead]
        assert word in claim or (claim == "by who dies" and fault.dead)
        finish(world)
        assert world.wanted == 3 or fault.dead == "client", "an order to scale is not lost"
        if word != "again":
            twice = [
                element
                for element, runs in RUNS.items()
                if runs > 1 and element[1].startswith(("ok", "raise"))
            ]
            assert not set(twice) - set(world.cancelled), "nothing is run twice"
