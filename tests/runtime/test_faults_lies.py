"""A worker that lies loses its own connection; the log says why, and nobody else notices (R6, R31)."""

from __future__ import annotations

import dataclasses

import kubefuture as kf
import pytest
from kubefuture.core.connection import Connection
from kubefuture.core.events import parse
from kubefuture.core.version import own_environment
from kubefuture.protocol.auth import REFUSAL, ClientLogin
from kubefuture.protocol.limits import FRAME_BYTES
from kubefuture.protocol.messages import (
    Ack,
    Done,
    Held,
    HeldSlot,
    Holding,
    Open,
    Part,
    Raised,
    Ready,
    Run,
    SlotLost,
    SlotReady,
    Welcome,
)

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
from tests.faults.raw import RawPeer, raw_hello
from tests.faults.waiting import LIMIT, eventually


def liar(cluster: Cluster, slots: tuple[int, ...] = ()) -> RawPeer:
    """A worker that has logged in and says what it is told to."""
    peer = RawPeer(Connection.load(cluster.connection)).log_in()
    hello = raw_hello("worker", python=own_environment().python)
    peer.say(
        type(hello)(**{name: getattr(hello, name) for name in hello.__struct_fields__} | {"slots": slots})
    )
    assert isinstance(peer.hear(), Welcome)
    return peer


def events(cluster: Cluster, name: str) -> list[dict[str, object]]:
    """What the scheduler's log tells in lines of one name."""
    found = [parse(line.partition(" ")[2]) for line in cluster.scheduler.text().splitlines()]
    return [dict(event.fields) for event in found if event is not None and event.name == name]


def lies(lease: int) -> dict[str, tuple[object, str]]:
    """What is said, and what the log says of it; a lease that another worker runs is given."""
    held = Held(lease, "somebody", 1, 1, 0, 1)
    return {
        "results for another's lease": (Done([Part(lease, 0, [b"x"], 0.1, True)]), "is another worker's"),
        "an error for another's lease": (Raised(lease, 0, b"x", 0.1, True), "is another worker's"),
        "a slot that is not there is ready": (SlotReady(7, 123), "There is no slot 7"),
        "a slot that is not there is lost": (SlotLost(7, lease, 0, "x", False), "There is no slot 7"),
        "another's lease brought along": (
            Holding([HeldSlot(5, 1, "somebody", [held])]),
            f"Lease {lease} cannot be brought along",
        ),
        "an acknowledgement of nothing": (Ack(99), "99 messages are acknowledged, but 0 were before"),
        "a client's message": (Open(1, 1), "Open does not belong here"),
        "a slot's message": (Ready(5), "Ready does not belong here"),
        "a malformed frame": (b"\5\0\0\0\xc1\xc1\xc1\xc1\xc1", "is no message of this protocol"),
        "an oversized frame": (
            (FRAME_BYTES + 1).to_bytes(4, "little") + bytes(64),
            f"A frame of {FRAME_BYTES + 1} bytes is longer than the allowed",
        ),
    }


@pytest.mark.parametrize("lie", lies(0))
def test_R6_a_worker_that_lies_is_put_out_and_named_and_nobody_else_notices(on_cluster, checkpoint, lie):
    port = checkpoint.port
    future = kf.future(lambda: (reach(port), "true")[1])
    visit = checkpoint.next()
    slots = on_cluster.slots()
    lease = int((on_cluster.folder / "slots.leases").read_text())
    said, told = lies(lease)[lie]
    with liar(on_cluster) as peer:
        if isinstance(said, bytes):
            peer.shout(said)
        else:
            peer.say(said)
        peer.hung_up()
    eventually(lambda: told in on_cluster.scheduler.text(), f"a line in the log with: {told}")
    (ended,) = events(on_cluster, "connection-ended")
    assert told in ended["reason"] and ended["peer"].startswith("worker "), "it is said who it was"
    assert "Traceback" not in on_cluster.scheduler.text()
    eventually(lambda: len(on_cluster.status().workers) == 1, "the end of the liar")
    visit.go()
    assert future.result(LIMIT) == "true"
    assert kf.map(abs, range(-20, 0)) == list(range(20, 0, -1))
    assert on_cluster.slots() == slots and not checkpoint.anybody


def test_R6_an_outcome_of_a_lease_that_never_was_is_dropped_and_named_once(on_cluster, checkpoint):
    """The connection stays: an honest worker may be late with what it had from a scheduler before."""
    port = checkpoint.port
    future = kf.future(lambda: (reach(port), "true")[1])
    visit = checkpoint.next()
    with liar(on_cluster) as peer:
        peer.say(Done([Part(5, 0, [b"x"], 0.1, True)]), Raised(1 << 62, 0, b"x", 0.1, True))
        eventually(lambda: len(on_cluster.status().workers) == 2, "that it is still there")
        visit.go()
        assert future.result(LIMIT) == "true"
        (event,) = events(on_cluster, "outcome-unknown")
        strangers = [worker.name for worker in on_cluster.status().workers if not worker.slots]
        assert [event["worker"]] == strangers and event["lease"] == "5"


@pytest.mark.parametrize("lease", [5, 1 << 62])
def test_R6_both_a_lease_of_long_ago_and_one_that_is_yet_to_be_are_named(on_cluster, lease):
    with liar(on_cluster) as peer:
        peer.say(Done([Part(lease, 0, [b"x"], 0.1, True)]))
        eventually(lambda: events(on_cluster, "outcome-unknown"), "the line")
        assert events(on_cluster, "outcome-unknown")[0]["lease"] == str(lease)
    assert kf.map(abs, [-1]) == [1]


@pytest.mark.parametrize(("start", "count"), [(10, 1), (5, 9), (-1, 1)])
def test_R6_results_for_elements_that_were_never_given_end_their_worker_and_nothing_of_them_counts(
    start, count
):
    cluster = Cluster(1)
    try:
        cluster.start_scheduler()
        with liar(cluster, (0,)) as peer, kf.plan("cluster", connection=cluster.connection):
            peer.say(SlotReady(0, 1))
            results = kf.imap(abs, range(-40, 0), chunk_size=10)
            while not isinstance(run := peer.hear(), Run):
                pass
            lease = run.leases[0]
            assert (lease.start, len(lease.payloads)) == (0, 10)
            peer.say(Done([Part(lease.id, start, [b"x"] * count, 0.1, False)]))
            peer.hung_up()
            told = f"Lease {lease.id} has no elements {start} to {start + count - 1} left"
            eventually(lambda: told in cluster.scheduler.text(), "the line in the log")
            cluster.start_worker()
            assert list(results) == list(range(40, 0, -1))
    finally:
        cluster.close()


def test_R31_a_login_that_was_listened_to_and_is_said_once_more_opens_nothing(cluster):
    connection = Connection.load(cluster.connection)
    heard = []
    with RawPeer(connection) as peer:
        send = peer.shout
        login = ClientLogin(connection.key)
        while not login.finished():
            heard.append(login.feed(peer.receive(1)))
            send(heard[-1])
        peer.say(raw_hello(python=own_environment().python))
        assert isinstance(peer.hear(), Welcome)
    with RawPeer(connection) as again:
        again.shout(b"".join(heard))
        assert again.hung_up().endswith(REFUSAL)
    eventually(
        lambda: "did not prove that it knows the token" in cluster.scheduler.text(), "the line in the log"
    )


def test_R31_a_worker_with_a_wrong_token_is_told_so_and_named_in_the_log(on_cluster):
    wrong = on_cluster.folder / "wrong.json"
    dataclasses.replace(Connection.load(on_cluster.connection), token="00" * 32).save(wrong)
    program = on_cluster.program("worker", "--connection", str(wrong))
    try:
        assert "does not accept the token" in program.answer()
        assert program.process.wait(LIMIT) == 1
    finally:
        program.close()
    eventually(
        lambda: "did not prove that it knows the token" in on_cluster.scheduler.text(), "the line in the log"
    )
    assert kf.map(abs, [-1]) == [1] and kf.n_workers() == 2
