"""The supervisor owns the network and always answers, whatever its slots are in the middle of (R2)."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.core.connection import Connection
from kubefuture.core.identity import hello
from kubefuture.machine.machine import Machine
from kubefuture.scheduler.server import Server

from tests import needs
from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
from tests.faults.waiting import LIMIT, eventually


def holders():
    """Calls that keep the interpreter of their process for as long as the test. They travel without this module."""

    def sleep() -> None:
        ctypes.PyDLL(None).sleep(600)

    def pattern() -> None:
        re.match(r"(a+)+$", "a" * 64 + "b")

    return [sleep, pattern]


def stuck_in(checkpoint, hold):
    """A future whose slot is in such a call from now on."""
    port = checkpoint.port
    future = kf.future(lambda: (reach(port), hold()))
    visit = checkpoint.next()
    visit.go()
    visit.left()
    return future, visit.pid


@pytest.mark.parametrize("hold", holders(), ids=lambda hold: hold.__name__)
def test_R2_a_slot_that_holds_its_interpreter_silences_nobody_else(on_cluster, checkpoint, hold):
    future, slot = stuck_in(checkpoint, hold)
    assert kf.map(abs, range(200), chunk_size=1) == list(range(200)), "the other slot works"
    kf.scale(4)
    assert len(on_cluster.slots()) == 4, "new slots are started"
    assert kf.map(abs, range(200), chunk_size=1) == list(range(200))
    kf.scale(2)
    eventually(lambda: len(on_cluster.slots()) == 2, "the end of two idle ones")
    assert slot in on_cluster.slots() and not future.done()
    assert future.cancel()
    eventually(
        lambda: [worker.busy for worker in on_cluster.status().workers] == [0],
        "the end of the one that is stuck",
    )
    assert kf.map(abs, [-1, -2, -3]) == [1, 2, 3]


class Host:
    """A scheduler in a thread of the test, so that what it keeps can be seen.

    Attributes:
        server: The scheduler.
    """

    def __init__(self, connection: Connection) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server: Server = self.run(self._listen(connection))

    def run(self, coroutine):
        """Runs it where the scheduler runs."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(LIMIT)

    async def _listen(self, connection: Connection) -> Server:
        machine = Machine(hello("scheduler"), now=0.0)
        server = Server(connection.key, machine, lambda line: None, lambda slots: None)
        self._listener = await self.loop.create_unix_server(server.protocol, connection.socket_path)
        return server

    async def _kept(self) -> int:
        (worker,) = [party for party in self.server._parties.values() if party.hello.role == "worker"]
        return len(worker.conversation.kept)

    @property
    def kept(self) -> int:
        """How many messages its worker has not acknowledged."""
        return self.run(self._kept())

    async def _close(self) -> None:
        self._listener.close()
        self.server.close()

    def close(self) -> None:
        """Ends it."""
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)


@contextmanager
def hosted(slots: int) -> Iterator[tuple[Cluster, Host]]:
    """A worker of such a scheduler, as the plan."""
    cluster = Cluster(slots)
    host = Host(Connection.load(cluster.connection))
    try:
        cluster.start_worker()
        with kf.plan("cluster", connection=cluster.connection):
            yield cluster, host
    finally:
        cluster.close()
        host.close()


def test_R2_the_supervisor_acknowledges_while_all_of_its_slots_are_stuck(checkpoint):
    hold = holders()[0]
    with hosted(2) as (cluster, host):
        stuck = [stuck_in(checkpoint, hold) for _ in range(2)]
        behind = [kf.future(abs, -number) for number in range(10)]
        eventually(lambda: host.kept == 0, "an acknowledgement of all that was sent")
        assert all(future.cancel() for future in behind)
        eventually(lambda: host.kept == 0, "an acknowledgement of that, too")
        assert {pid for _, pid in stuck} == set(cluster.slots()), "they are as they were"


def sockets(pid: int) -> set[str]:
    """The sockets that a process has, by inode."""
    links = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def unix_paths() -> dict[str, str]:
    """Where each socket of the unix family is bound, by inode; empty for those of a pair."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {row[6]: row[7] if len(row) > 7 else "" for row in rows}


def inet_sockets() -> set[str]:
    """All sockets of the inet families, by inode."""
    found = set()
    for name in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        path = Path("/proc/net") / name
        if path.exists():
            found |= {line.split()[9] for line in path.read_text().splitlines()[1:]}
    return found


def pairs(pid: int, allowed: int) -> None:
    """A process has so many sockets, all of them ends of pairs."""
    own = sockets(pid)
    assert len(own) == allowed, f"{len(own)} sockets"
    assert not own & inet_sockets()
    paths = unix_paths()
    assert all(paths.get(inode) == "" for inode in own), "none leads out of its worker"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see others' sockets")
@pytest.mark.parametrize("slots", [1, 4])
def test_R2_a_worker_has_one_connection_however_many_slots_it_has(slots):
    if not Path("/proc/net/unix").exists():
        needs.missing("/proc/net/unix, to see others' sockets")
    with hosted(slots) as (cluster, host):
        assert kf.map(abs, range(100), chunk_size=1) == list(range(100))
        assert sum(party.hello.role == "worker" for party in host.server._parties.values()) == 1
        for slot in cluster.slots():
            pairs(slot, allowed=2)
        own = sockets(cluster.worker.pid)
        assert not own & inet_sockets()
        without_slots = len(own) - 3 * slots  # one end for data, and both of the leases'
        kf.scale(slots + 2)
        eventually(
            lambda: len(sockets(cluster.worker.pid)) - 3 * (slots + 2) == without_slots,
            "only the pairs of two more slots",
        )
        for slot in cluster.slots():
            pairs(slot, allowed=2)
