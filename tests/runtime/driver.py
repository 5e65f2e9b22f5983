"""Drives the machine with events, and keeps what it wants sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from kubefuture.machine.machine import Machine
from kubefuture.protocol.messages import (
    PROTOCOL,
    Done,
    Elements,
    Environment,
    Function,
    Hello,
    Lease,
    Message,
    Open,
    Part,
    Raised,
    Results,
    Run,
    SlotLost,
    SlotReady,
    Task,
    Tasks,
)  # fmt: skip


def hello(role: str, name: str = "", slots: int = 0, cpu: str = "") -> Hello:
    """A first message."""
    environment = Environment("3.11", cpu=cpu)
    return Hello(
        role, PROTOCOL, name or role, "host", 1, environment, tuple(range(slots)), ("/code",), "/work"
    )


def bring_up(slots: int = 1, *, wanted: int | None = None, **settings: float) -> tuple[Driver, int, int]:
    """A machine with a worker whose slots are ready, and a client.

    Args:
        slots: How many the worker has.
        wanted: How many slots the machine wants, by default what there is.
        **settings: The machine's.

    Returns:
        Driver, worker and client.
    """
    driver = Driver(wanted, **settings)
    return driver, driver.worker(slots), driver.client()


class Driver:
    """A machine and the peers that talk to it.

    Attributes:
        now: The machine's time, in seconds.
        sent: What was sent to each peer and not taken yet.
    """

    def __init__(self, slots: int | None = None, **settings: float) -> None:
        self.now = 0.0
        self.machine = Machine(hello("scheduler"), now=0.0, wanted=slots, **settings)  # type: ignore[arg-type]
        self.sent: dict[int, list[Message]] = {}
        self._peers = count(1)
        self._pids = count(100)

    def join(self, role: str, name: str = "", slots: int = 0, cpu: str = "") -> int:
        """Somebody connects; returns their number."""
        peer = next(self._peers)
        self.machine.connected(peer, hello(role, name, slots, cpu), self.now)
        self._gather()
        return peer

    def worker(self, slots: int, name: str = "worker", cpu: str = "") -> int:
        """A worker connects, and its slots are ready."""
        peer = self.join("worker", name, slots, cpu)
        self.take(peer)
        for slot in range(slots):
            self.ready(peer, slot)
        return peer

    def client(self, name: str = "client") -> int:
        """A client connects, with function 1."""
        peer = self.join("client", name)
        self.say(peer, Function(1, name.encode()))
        self.take(peer)
        return peer

    def leave(self, peer: int) -> None:
        """A connection ends."""
        self.machine.disconnected(peer, self.now)
        self._gather()

    def say(self, peer: int, *messages: Message) -> None:
        """Messages arrive from a peer."""
        for message in messages:
            self.machine.received(peer, message, self.now)  # type: ignore[arg-type]
        self._gather()

    def lack(self, away: Sequence[bytes] = (), slow: Sequence[bytes] = ()) -> None:
        """What is known of blobs: which cannot be had, and which take their time to come."""
        self.machine.lack(away, slow)
        self._gather()

    def tick(self, seconds: float = 0.25) -> None:
        """Time passes."""
        self.now += seconds
        self.machine.tick(self.now)
        self._gather()

    def take(self, peer: int, *kinds: type[Message]) -> list[Message]:
        """What was sent to a peer: all of it, or only some kinds."""
        sent = self.sent.pop(peer, [])
        return [message for message in sent if not kinds or isinstance(message, kinds)]

    def map(self, client: int, call: int, elements: int, chunk_size: int = 0, retries: int = 0) -> None:
        """A map whose payloads are the elements' numbers."""
        payloads = [str(index).encode() for index in range(elements)]
        self.say(client, Open(call, 1, elements, chunk_size, retries), Elements(call, payloads, last=True))

    def tasks(self, client: int, *calls: int, retries: int = 0) -> None:
        """Single futures."""
        self.say(client, Tasks([Task(call, 1, b"task", retries) for call in calls]))

    def leases(self, worker: int) -> list[tuple[int, Lease]]:
        """The leases that were sent to a worker, each with its slot; nothing else that was sent is kept."""
        runs = [message for message in self.take(worker) if isinstance(message, Run)]
        return [(run.slot, lease) for run in runs for lease in run.leases]

    def results(self, client: int) -> list[int]:
        """The indices of the results that were sent to a client; nothing else that was sent is kept."""
        spans = [
            span for message in self.take(client) if isinstance(message, Results) for span in message.spans
        ]
        assert all(span.payloads for span in spans), "nobody is told of no results"
        return [span.start + offset for span in spans for offset in range(len(span.payloads))]

    def ready(self, worker: int, slot: int) -> None:
        """A slot is up."""
        self.say(worker, SlotReady(slot, next(self._pids)))

    def done(
        self,
        worker: int,
        lease: Lease,
        *,
        elements: int | None = None,
        seconds: float = 0.0,
        end: bool = True,
    ) -> None:
        """A lease's elements finish, all or the first ones."""
        results = [payload + b"!" for payload in lease.payloads[:elements]]
        self.say(worker, Done([Part(lease.id, lease.start, results, seconds, end)]))

    def raised(
        self, worker: int, lease: Lease, index: int, *, end: bool = True, interrupted: bool = False
    ) -> None:
        """An element's function raises."""
        self.say(worker, Raised(lease.id, index, b"error", 0.001, end, interrupted))

    def lost(
        self, worker: int, slot: int, lease: Lease | None = None, index: int = -1, *, expected: bool = False
    ) -> None:
        """A slot's process ends, and another one is soon there."""
        self.say(worker, SlotLost(slot, lease.id if lease else 0, index, "killed by SIGKILL", expected))
        self.ready(worker, slot)

    def lease(self, worker: int) -> Lease:
        """The only lease that was sent to a worker; nothing else that was sent is kept."""
        ((_, lease),) = self.leases(worker)
        return lease

    def _gather(self) -> None:
        for peer, messages in self.machine.take().items():
            self.sent.setdefault(peer, []).extend(messages)
