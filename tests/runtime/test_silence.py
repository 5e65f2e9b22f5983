"""Who is connected and does not answer is named, and is given nothing more until it does (R23)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubefuture.core.events import parse
from kubefuture.core.settings import SIGN_SECONDS, SILENT_SECONDS
from kubefuture.protocol.conversation import Conversation
from kubefuture.protocol.messages import Ack
from kubefuture.scheduler.diary import Diary
from kubefuture.scheduler.silence import Silence

from tests.runtime.virtual import hello, virtual_time  # noqa: F401
from tests.runtime.world import World

TICK = 0.25


class Watched:
    """One worker, with a clock that is moved."""

    def __init__(self, role: str = "worker") -> None:
        self.lines: list[str] = []
        self.told: list[str] = []
        machine = SimpleNamespace(
            away=lambda number: self.told.append("away"), back=lambda number, now: self.told.append("back")
        )
        self.silence = Silence(Diary(self.lines.append), machine)
        self.now = 1000.0
        self.party = SimpleNamespace(
            hello=hello(role), number=1, arrivals=0, progress=(0, 0), conversation=Conversation(),
            peer=SimpleNamespace(number=1),
        )  # fmt: skip
        self.look()

    def look(self) -> None:
        self.silence.look([self.party], self.now)

    def pass_(self, seconds: float, *, speaks: bool = False) -> None:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            self.party.arrivals += speaks
            self.look()

    @property
    def names(self) -> list[str]:
        return [line.split()[0] for line in self.lines]


def test_R23_a_worker_that_says_nothing_for_some_seconds_is_named_once_and_given_nothing_until_it_speaks():
    watched = Watched()
    watched.pass_(SILENT_SECONDS - 1)
    assert not watched.lines and not watched.told
    watched.pass_(60)
    assert watched.told == ["away"] and watched.names == ["silent"]
    fields = parse(watched.lines[0]).fields
    assert fields["worker"] == watched.party.hello.identity and "stopped" in fields["told"]
    assert float(fields["seconds"]) == SILENT_SECONDS
    watched.silence.heard(watched.party, watched.now)
    assert watched.told == ["away", "back"], "at once, before what it says is taken"
    watched.pass_(60, speaks=True)
    assert watched.told == ["away", "back"] and watched.names == ["silent", "heard"]


def test_R23_a_worker_that_speaks_and_does_not_read_is_named_but_what_it_says_counts():
    watched = Watched()
    watched.pass_(60, speaks=True)
    assert not watched.lines, "there is nothing to read"
    watched.party.conversation.send([hello("worker")])
    watched.pass_(SILENT_SECONDS - 1, speaks=True)
    assert not watched.lines
    watched.pass_(60, speaks=True)
    assert watched.names == ["silent"] and "does not read" in watched.lines[0] and not watched.told
    watched.party.progress = (1, 0)
    watched.look()
    assert watched.names == ["silent", "heard"]


def test_R23_a_worker_that_stops_reading_first_and_speaking_a_little_later_is_given_nothing_more():
    watched = Watched()
    watched.party.conversation.send([hello("worker")])
    watched.pass_(5, speaks=True)
    watched.pass_(SILENT_SECONDS)
    assert watched.names == ["silent", "silent"] and watched.told == ["away"]
    watched.party.progress = (1, 0)
    watched.silence.heard(watched.party, watched.now)
    watched.pass_(TICK, speaks=True)
    assert watched.names == ["silent", "silent", "heard"] and watched.told == ["away", "back"]


def test_R23_a_slow_worker_that_takes_a_little_now_and_then_is_not_named():
    watched = Watched()
    watched.party.conversation.send([hello("worker")])
    for left in range(20, 0, -1):
        watched.party.progress = (0, left)
        watched.pass_(SILENT_SECONDS - 1, speaks=True)
    assert not watched.lines


def test_R23_a_scheduler_that_was_stopped_itself_accuses_nobody():
    watched = Watched()
    watched.now += 3600
    watched.look()
    watched.pass_(SIGN_SECONDS, speaks=False)
    watched.pass_(SIGN_SECONDS, speaks=True)
    assert not watched.lines


@pytest.mark.parametrize("change", ["a client", "away"])
def test_R23_clients_may_be_silent_and_who_is_away_is_told_of_as_such(change):
    watched = Watched("client" if change == "a client" else "worker")
    if change == "away":
        watched.party.peer = None
    watched.pass_(60)
    assert not watched.lines and not watched.told


def test_R23_a_worker_with_nothing_to_do_gives_a_sign_of_life_now_and_then():
    world = World(slots=1, clients=0)
    world.settle()
    (wire,) = world.wires
    world.later(SIGN_SECONDS)
    while wire.up:
        world.arrive(wire)
    world.later(SIGN_SECONDS - 0.2)
    assert not wire.up
    world.later(0.3)
    assert [type(message) for message in wire.up] == [Ack]


def test_a_worker_signs_often_enough_that_one_sign_may_be_late():
    assert 2 * SIGN_SECONDS < SILENT_SECONDS
