"""What is said of a named map holds for whoever is there later: another scheduler, another client (R5, R8)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubefuture.core.settings import ORPHAN_SECONDS
from kubefuture.protocol.messages import (
    Ack,
    Elements,
    Failure,
    Fetch,
    Forget,
    Forgotten,
    Named,
    NotNamed,
    OpenNamed,
    Slots,
)
from kubefuture.scheduler.party import Party

from tests.runtime.clients import Client
from tests.runtime.fakes import RUNS
from tests.runtime.test_exchange import talk
from tests.runtime.test_simulation import finish
from tests.runtime.virtual import hello, virtual_time  # noqa: F401
from tests.runtime.world import World


def settled(clients: int = 2) -> World:
    world = World(1, clients, 1, scaling=False, named=True)
    world.settle()
    return world


def begun(world: World, client: Client, name: str = "x", **what: bool) -> None:
    """A client begins a map, and the journal has it."""
    client.begin(name, ["ok"] * 4, **what)
    client.feed_all()
    talk(world)
    world.commit()
    talk(world)
    world.commit()
    talk(world)
    assert client.named[-1].call.accepted


def until_recorded(world: World, client: Client) -> None:
    """What a client says arrives, until the journal has committed something; nobody is told of that."""
    while not world.commit():
        while world.loop.step():
            pass
        world.arrive(client.wire)
        world.deliver(client.wire)


def work(world: World) -> None:
    """All elements run, and the journal has their results."""
    for _ in range(30):
        for slot in world.processes:
            slot.work()
        talk(world)
    world.commit()


def another_scheduler(world: World) -> None:
    """The scheduler dies, and what it had sent is lost; nobody has connected to the next one."""
    world.kill_scheduler(quietly=True)
    talk(world)
    world.restart()


def test_R8_an_error_that_the_journal_has_counted_and_no_worker_knows_of_is_counted_once() -> None:
    world = settled(1)
    (client,), (worker,) = world.clients, world.workers
    client.begin("x", ["once"], retries=1)
    client.feed_all()
    for _ in range(3):
        talk(world)
        world.commit()
    while not RUNS:
        world.processes[0].step()
    while world.processes[0].deliver():
        pass
    while not world.commit():
        world.loop.step()
        world.arrive(worker.wire)
    another_scheduler(world)
    world.settle()
    assert set(RUNS.values()) == {2}, "it was tried again"
    assert not any(isinstance(item, Failure) for item in client.named[0].call.arrived)
    finish(world)


def test_R5_to_cancel_a_finished_map_that_was_taken_up_again_takes_no_result_from_it() -> None:
    world = settled()
    begun(world, world.clients[0], again=True)
    world.settle()
    world.end_client(world.clients[0], politely=True)
    world.settle()
    client, other = world.clients
    client.begin("x", ["ok"] * 4, again=True)
    client.cancel_named(0)
    world.settle()
    call = other.attach("x")
    world.settle()
    assert other.fetched[call.id] == {0, 1, 2, 3}
    finish(world)


def said(client: Client, kind: type) -> bool:
    return any(isinstance(message, kind) for message in client.wire.down)


@pytest.mark.parametrize("kind", [Named, Forgotten], ids=lambda kind: kind.__name__)
def test_R8_nobody_is_told_of_a_name_or_its_end_before_the_journal_has_it(kind: type) -> None:
    world = settled(1)
    (client,) = world.clients
    if kind is Forgotten:
        begun(world, client)
        client.forget("x")
    else:
        client.begin("x", ["ok"])
    for _ in range(30):
        while world.loop.step():
            pass
        world.arrive(client.wire)
        if not said(client, kind):
            world.deliver(client.wire)
    assert not said(client, kind)
    world.commit()
    world.loop.step()
    assert said(client, kind)
    finish(world)


def test_R8_who_forgets_a_map_and_fetches_from_it_in_one_breath_is_told_when_the_journal_knows() -> None:
    world = settled(1)
    (client,) = world.clients
    begun(world, client)
    key = client.named[0].call.number
    assert world.scheduler is not None
    with world.scheduler.process.running():
        world.scheduler.server.received(client.wire.peer, [Forget(9, "x", key), Fetch(9, key, 0)])
    assert not said(client, NotNamed)
    world.commit()
    world.loop.step()
    assert said(client, NotNamed)


def test_R5_a_map_is_accepted_when_the_journal_knows_that_no_more_elements_follow() -> None:
    world = settled(1)
    (client,) = world.clients
    client.begin("x", ["ok"] * 4)
    one = client.named[0]
    client.feed(one, 4)
    for _ in range(3):
        talk(world)
        world.commit()
    client.feed(one, 1)
    talk(world)
    assert one.call.closed and not one.call.accepted, "the last, empty batch has only arrived"
    world.commit()
    talk(world)
    assert one.call.accepted
    finish(world)


def test_R8_a_forgotten_map_does_not_come_back_with_the_client_that_waits_for_it() -> None:
    world = settled()
    waits, forgets = world.clients
    begun(world, waits)
    call = waits.named[0].call
    gone = forgets.forget("x")
    until_recorded(world, forgets)
    another_scheduler(world)
    world.settle()
    assert gone.whole == 0, "it is told, though the scheduler had died before it said so"
    assert call.cancelled and "forgotten" in str(call.arrived[-1])
    assert not world.machine.named._by_name
    finish(world)


def test_R8_to_forget_a_map_once_more_leaves_another_one_of_its_name_alone() -> None:
    world = settled()
    forgets, begins = world.clients
    begun(world, begins)
    gone = forgets.forget("x")
    until_recorded(world, forgets)
    another_scheduler(world)
    begins.connect()
    talk(world)
    begun(world, begins)
    forgets.connect()
    world.settle()
    assert gone.whole == 0 and not gone.arrived
    assert "x" in world.machine.named._by_name
    finish(world)


def test_R8_a_cancel_that_the_journal_does_not_have_is_told_to_the_next_scheduler() -> None:
    world = settled(1)
    (client,) = world.clients
    begun(world, client)
    client.cancel_named(0)
    assert client.session.unaccepted is not None, "the client does not leave before"
    talk(world)
    another_scheduler(world)
    assert not world.machine.named._by_name["x"].cancelled
    world.settle()
    assert world.machine.named._by_name["x"].cancelled
    assert client.session.unaccepted is None
    finish(world)


def test_R8_a_cancel_of_a_map_that_the_journal_never_had_begins_none() -> None:
    world = settled(1)
    (client,) = world.clients
    client.begin("x", ["ok"])
    talk(world)
    client.cancel_named(0)
    another_scheduler(world)
    world.settle()
    assert not world.machine.named._by_name
    finish(world)


def test_R5_what_a_killed_client_had_sent_is_not_taken_twice_when_its_run_goes_on() -> None:
    world = settled(1)
    (client,) = world.clients
    client.begin("run", ["ok"] * 4, again=True)
    talk(world)
    world.commit()
    talk(world)
    client.feed(client.named[0], 2)
    world.loop.step()
    late = client.wire
    assert isinstance(late.up[-1], Elements)
    world.end_client(client, politely=False)
    (client,) = world.clients
    client.begin("run", ["ok"] * 4, again=True)
    world.loop.step()
    while client.wire.up or not isinstance(late.up[-1], Elements):
        world.arrive(client.wire)
        world.deliver(client.wire)
        world.loop.step()
    talk(world)
    client.feed_all()
    world.settle()
    assert len(client.fetched[client.named[0].call.id]) == 4
    assert world.machine.named._by_name["run"].total == 4
    finish(world)


def test_R5_elements_of_a_map_that_was_forgotten_meanwhile_are_nobodys() -> None:
    world = settled()
    client, forgets = world.clients
    client.begin("y", ["ok"])
    client.begin("run", ["ok"] * 4, again=True)
    client.feed(client.named[1], 2)
    for _ in range(3):
        talk(world)
        world.commit()
    world.end_client(client, politely=True)
    client = world.clients[0]
    client.begin("run", ["ok"] * 4, again=True)
    client.begin("z", ["ok"] * 4)
    for _ in range(3):
        talk(world)
        world.commit()
    run, other = client.named
    known = world.machine.named._by_name["run"]
    assert known.feeder is not known.session and known.accepted.call == other.call.id
    work(world)
    client.feed(run, 5)
    while world.loop.step():
        pass
    assert isinstance(client.wire.up[-1], Elements)
    late = list(client.wire.up)
    client.wire.up.clear()
    forgets.forget("run")
    for _ in range(3):
        talk(world)
        world.commit()
    assert "run" not in world.machine.named._by_name
    client.wire.up.extend(late)
    talk(world)
    assert other.call.id in world.machine._state.sessions[client.name].calls
    finish(world)
    assert len(client.fetched[other.call.id]) == 4


def test_R5_a_client_that_is_back_after_a_day_goes_on_handing_over() -> None:
    world = settled()
    client, other = world.clients
    client.begin("x", ["ok"] * 4)
    client.feed(client.named[0], 2)
    talk(world)
    world.commit()
    talk(world)
    world.commit()
    world.cut(client.wire, 0)
    world.later(24 * 3600.0 + 1)
    world.later(1.0)
    work(world)
    client.connect()
    talk(world)
    call = other.attach("x")
    talk(world)
    assert not call.cancelled, "nobody is told that it is incomplete"
    world.settle()
    assert len(client.fetched[client.named[0].call.id]) == len(other.fetched[call.id]) == 4
    finish(world)


def test_R5_a_client_that_is_back_late_still_gets_its_finished_map() -> None:
    world = settled(1)
    (client,) = world.clients
    begun(world, client)
    world.cut(client.wire, 0)
    work(world)
    another_scheduler(world)
    world.workers[0].connect()
    talk(world)
    world.later(ORPHAN_SECONDS + 1.0)
    assert client.name not in world.machine._state.sessions
    world.settle()
    assert len(client.fetched[client.named[0].call.id]) == 4
    finish(world)


def test_R6_what_needs_no_record_is_acknowledged_with_what_came_before_it() -> None:
    sent: list[Ack] = []
    peer = SimpleNamespace(number=1, party=1, send=sent.extend)
    party = Party(peer, hello("client"))  # type: ignore[arg-type]
    party.receive([OpenNamed(1, "x", 1, "f", "", 0.0)])
    party.vouch(7)
    party.receive([Slots(1)])
    party.vouch(0)
    party.acknowledge()
    assert not sent
    party.committed(7)
    party.acknowledge()
    assert sent == [Ack(2)]
