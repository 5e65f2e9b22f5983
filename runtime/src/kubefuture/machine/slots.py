"""Workers, their slots, and the leases that are out."""

from __future__ import annotations

from enum import Enum

from ..protocol.messages import Hello, WorkerStatus
from .calls import Call
from .outbox import Peer
from .sessions import SessionState


class Stage(Enum):
    """Where a slot is in its life, as the scheduler sees it."""

    STARTING = "starting"
    READY = "ready"
    REPLACED = "replaced"
    LEAVING = "leaving"
    AWAY = "away"
    GONE = "gone"


STAGES = {
    (Stage.STARTING, Stage.READY): "its process is up",
    (Stage.READY, Stage.REPLACED): "another session is to have it",
    (Stage.REPLACED, Stage.READY): "the fresh process is up",
    (Stage.READY, Stage.AWAY): "the connection to its worker breaks",
    (Stage.AWAY, Stage.READY): "its worker is back",
    (Stage.READY, Stage.STARTING): "its process dies, and the next one starts",
    (Stage.REPLACED, Stage.STARTING): "it dies while it is replaced",
    (Stage.STARTING, Stage.STARTING): "it dies before it is up",
    (Stage.READY, Stage.LEAVING): "there are to be fewer slots",
    (Stage.STARTING, Stage.LEAVING): "there are to be fewer slots",
    (Stage.REPLACED, Stage.LEAVING): "there are to be fewer slots",
    (Stage.AWAY, Stage.LEAVING): "there are to be fewer slots",
    (Stage.LEAVING, Stage.GONE): "it has finished what it ran, or its worker is gone",
    (Stage.STARTING, Stage.GONE): "its worker is gone",
    (Stage.READY, Stage.GONE): "its worker is gone",
    (Stage.REPLACED, Stage.GONE): "its worker is gone",
    (Stage.AWAY, Stage.GONE): "its worker is gone",
}
"""What may follow what, and when it does."""


class LeaseState:
    """A chunk that one slot has.

    Attributes:
        position: The first element that is not settled by this lease yet.
        claimed: It was leased by a scheduler before this one.
    """

    __slots__ = ("call", "claimed", "id", "position", "session", "slot", "stop")

    def __init__(
        self, lease_id: int, session: SessionState, call: Call, start: int, stop: int, slot: SlotState
    ) -> None:
        self.id = lease_id
        self.session = session
        self.call = call
        self.position = start
        self.stop = stop
        self.slot = slot
        self.claimed = False


class SlotState:
    """One process that runs one element at a time.

    Attributes:
        pid: The process that it is at the moment.
        session: The session that it is bound to, None while it is fresh.
        bound_at: When it was bound, in the machine's seconds.
        leaving_at: When it began to drain.
        leases: What it has, in the order in which it runs them.
        functions: Ids of the session's functions that it has.
        forget: Ids of functions that it is to forget with its next lease.
        revoking: It was asked for leases back, and none of its leases has ended since.
    """

    __slots__ = (
        "bound_at", "forget", "functions", "index", "leases", "leaving_at", "pid", "revoking", "session", "stage",
        "worker",
    )  # fmt: skip

    def __init__(self, worker: WorkerState, index: int) -> None:
        self.worker = worker
        self.index = index
        self.stage = Stage.STARTING
        self.pid = 0
        self.session: SessionState | None = None
        self.bound_at = 0.0
        self.leaving_at = 0.0
        self.leases: dict[int, LeaseState] = {}
        self.functions: set[int] = set()
        self.forget: list[int] = []
        self.revoking = False

    def unbind(self) -> None:
        """It is no session's any more."""
        if self.session is not None:
            self.session.slots -= 1
            self.session = None
        self.functions.clear()
        self.forget.clear()
        self.revoking = False


class WorkerState:
    """One supervisor, connected or away for a moment.

    Attributes:
        told: The scheduler knows what its slots have.
        dropped: It has told of a lease that it never had, which the log says once.
        leaving: It was told to go.
    """

    __slots__ = ("away", "connected_at", "dropped", "hello", "leaving", "peer", "slots", "told")

    def __init__(self, peer: Peer, hello: Hello, now: float) -> None:
        self.peer = peer
        self.hello = hello
        self.connected_at = now
        self.away = self.dropped = False
        self.leaving = hello.leaving
        self.told = not hello.epoch  # who has talked to a scheduler before brings its work along
        self.slots = {index: SlotState(self, index) for index in hello.slots}

    def status(self, now: float) -> WorkerStatus:
        """The worker at a glance."""
        return WorkerStatus(
            name=self.hello.identity,
            host=self.hello.host,
            pid=self.hello.pid,
            slots=len(self.slots),
            busy=sum(bool(slot.leases) for slot in self.slots.values()),
            connected_s=now - self.connected_at,
            away=self.away,
            node=self.hello.node,
        )
