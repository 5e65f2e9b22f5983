"""The scheduler as a pure machine: events in, messages out, the time passed in (R1).

Its hosts are the client's I/O thread, the scheduler daemon, and the simulator in tests::

    connected, disconnected, received, tick ──> Machine ──> take() -> {peer: [messages]}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias, assert_never, get_args

from ..core.events import Event
from ..core.settings import ORPHAN_SECONDS
from ..errors import ProtocolError
from ..protocol.messages import (
    AnyMessage,
    Bye,
    Done,
    Hello,
    Holding,
    Leaving,
    Predecessor,
    PrintedLease,
    Raised,
    Refused,
    Returned,
    Scale,
    SlotLost,
    SlotReady,
    Status,
    StatusRequest,
    UnseededLease,
)  # fmt: skip
from . import aftermath, outcomes, requests
from .assign import fill
from .blob_uses import blob_holders, is_expecting, lack, used_blobs
from .glance import Glance, glance_of, status_of
from .holding import hold
from .named import NamedMaps
from .named_map import Restored
from .outbox import NOBODY, Peer
from .records import Record
from .roster import Roster
from .slots import WorkerState
from .state import State
from .trials import Trials

_FromWorker: TypeAlias = (
    SlotReady | SlotLost | Done | Raised | Returned | Holding | UnseededLease | Predecessor | PrintedLease | Leaving
)  # fmt: skip
_CLIENT_TYPES = frozenset(get_args(requests.Request))
_WORKER_TYPES = frozenset(get_args(_FromWorker))


class Machine:
    """The scheduler's state and rules.

    Args:
        me: What the scheduler says of itself in a Status: its epoch, host, pid and Python version.
        round_trip: The host's estimate of a round trip to a slot, in seconds.
        ahead: Leases that are always fetched ahead for a slot (R1, R13).
        wanted: How many slots there are to be; None leaves it to the workers.
        elastic: Slots come and go with their workers, which somebody else starts: see `Roster`.
        next_key: The journal's next number of a map; None where there is no journal.
        first_lease: The number of the first lease, higher than any that a scheduler before gave.
        now: The time, in seconds from any fixed point.
        events: Takes what is worth a line in the log; None where nobody reads it.
    """

    def __init__(
        self,
        me: Hello,
        *,
        now: float,
        round_trip: float = 0.002,
        ahead: int = 1,
        wanted: int | None = None,
        elastic: bool = False,
        first_lease: int = 1,
        next_key: int | None = None,
        events: list[Event] | None = None,
    ) -> None:
        self._me = me
        self._state = State(round_trip=round_trip, ahead=ahead, first_lease=first_lease, events=events)
        self._roster = Roster(self._state, wanted, elastic=elastic)
        self._started = now
        self.named = NamedMaps(self._state, next_key)
        self._trials = Trials(self._state)
        self._scaling: list[Peer] = []
        self.take = self._state.outbox.take
        """Takes what is to be sent now: messages in order, by peer."""

    @property
    def epoch(self) -> str:
        """New for each start of a scheduler."""
        return self._me.identity

    @property
    def busy(self) -> bool:
        """Whether anything runs or waits."""
        return bool(self._state.leases or self._state.waiting)

    @property
    def slots(self) -> int:
        """How many slots are connected."""
        return self._state.connected_slots

    @property
    def cpus(self) -> tuple[str, ...]:
        """The types of the workers' CPUs."""
        return self._state.connected_cpus

    @property
    def saturated(self) -> bool:
        """Whether slots work, and none can be given more."""
        state = self._state
        return bool(state.leases) and not state.idle and not state.hungry

    @property
    def wanted(self) -> int | None:
        """How many slots there are to be."""
        return self._roster.wanted

    def connected(self, peer: Peer, hello: Hello, now: float) -> None:
        """A peer logged in and said who it is."""
        state = self._state
        if hello.role == "worker":
            self._roster.join(peer, hello, now)
            self._roster.scale(now)
        elif hello.role == "client":
            session = state.session(hello)
            session.peer, session.hello, session.told = peer, hello, False
            state.clients[peer] = session
        elif hello.role != "control":
            raise ProtocolError(f"There is no role {hello.role!r}.")

    def away(self, peer: Peer) -> None:
        """A connection broke, and its other side may be back: work goes on, but a worker gets no more of it."""
        if peer in self._state.workers:
            self._roster.away(self._state.workers[peer])

    def back(self, peer: Peer, now: float) -> None:
        """It is connected again, and nothing was lost between the two."""
        if peer in self._state.workers:
            self._roster.back(self._state.workers[peer])
            self._proceed(now)

    def refuse(self, peer: Peer, reason: str) -> None:
        """A peer that does not fit; nothing of it is kept."""
        self._state.outbox.send(peer, Refused(reason))

    def disconnected(self, peer: Peer, now: float) -> None:
        """A conversation is over: a client's unnamed work is cancelled, a worker's work comes back."""
        state = self._state
        state.outbox.drop(peer)
        if peer in state.workers:
            self._roster.leave(peer)
            self._roster.scale(now)
        session = state.clients.pop(peer, None)
        if session is not None:
            requests.end(self._state, self.named, session, now)
        self._scaling = [waiting for waiting in self._scaling if waiting != peer]
        self._proceed(now)

    def received(self, peer: Peer, message: AnyMessage, now: float) -> None:
        """A message from a peer that is connected.

        Raises:
            ProtocolError: No rule allows it; the host ends the connection and reports it as disconnected.
        """
        state = self._state
        kind = type(message)
        if kind in _WORKER_TYPES and peer in state.workers:
            self._from_worker(state.workers[peer], message, now)  # type: ignore[arg-type]
        elif kind in _CLIENT_TYPES and peer in state.clients:
            requests.handle(state, self.named, state.clients[peer], message)  # type: ignore[arg-type]
        elif isinstance(message, StatusRequest):
            state.outbox.send(peer, self.status(now))
        elif isinstance(message, Scale):
            if message.slots < 0:
                raise ProtocolError(f"There cannot be {message.slots} slots.")
            self._roster.wanted = message.slots
            self._scaling.append(peer)
            self._roster.scale(now)
        elif not isinstance(message, Bye):
            raise ProtocolError(f"A {type(message).__name__} does not belong here.")
        if state.leaving or self._scaling:
            self._proceed(now)
        else:
            self._fill(now)

    def tick(self, now: float) -> None:
        """Time passed; hosts call it a few times a second while there is work.

        What has waited until now behind an element is moved to an idle slot even if it was measured to be
        short: the element in front of it may take longer than any before.
        """
        for session in list(self._state.sessions.values()):
            if session.peer == NOBODY and (session.told or now - session.since > ORPHAN_SECONDS):
                requests.end(self._state, self.named, session, now)
        self._proceed(now)
        self._fill(now, worth_moving=0.0)

    def status(self, now: float) -> Status:
        """The cluster at a glance."""
        return status_of(self._state, self._me, now - self._started, self.wanted, now)

    def glance(self, now: float) -> Glance:
        """The same, with maps and nodes one by one."""
        return glance_of(self._state, self.named, self.status(now))

    def _from_worker(self, worker: WorkerState, message: _FromWorker, now: float) -> None:
        match message:
            case Done():
                outcomes.done(self._state, worker, message)
            case Holding():
                hold(self._state, worker, message, now)
                self._roster.scale(now)
                self._roster.announce()
            case Predecessor():
                aftermath.predecessor(self._state, self._trials, worker, message, now)
            case Raised():
                outcomes.raised(self._state, worker, message)
            case Returned():
                outcomes.returned(self._state, worker, message)
            case UnseededLease() | PrintedLease():
                outcomes.aside(self._state, worker, message)
            case Leaving():
                self._roster.drain(worker, now)
            case SlotReady():
                self._roster.ready(worker, message)
            case SlotLost():
                outcomes.slot_lost(self._state, worker, message)
                self._roster.lost(worker, message)
                if message.gone:
                    self._roster.scale(now)
            case _:
                assert_never(message)

    @property
    def waits(self) -> bool:
        """Nothing is leased, since a worker that may have it is still to come (R7)."""
        return self._state.waits

    def wait(self, waits: bool, now: float) -> None:
        """Says whether anything may be leased."""
        if self._state.waits != waits:
            self._state.waits = waits
            self._fill(now)

    def take_records(self) -> list[Record]:
        """What is to be journaled now; nothing that it came from is acknowledged before that."""
        taken, self._state.records = self._state.records, []
        return taken

    def restore(self, maps: Iterable[Restored], now: float) -> None:
        """Takes up the named maps of a journal."""
        for stored in maps:
            self.named.restore(stored, now)

    def used_blobs(self) -> dict[bytes, int]:
        """The blobs that sessions and named maps refer to: digest to size."""
        return used_blobs(self._state, self.named)

    @property
    def is_expecting(self) -> bool:
        """Whether a client may still tell of work that a worker has for it (R7)."""
        return is_expecting(self._state)

    def blob_holders(self, digest: bytes) -> Iterator[tuple[Peer, int]]:
        """The clients that are there and have a blob, and how many bytes they say that it has."""
        return blob_holders(self._state, digest)

    def lack(self, away: Iterable[bytes], slow: Iterable[bytes]) -> None:
        """Says which blobs cannot be had for now, and which come slowly, so that no slot waits for them in vain."""
        lack(self._state, away, slow)

    def limit_journal(self, *, work: bool, leases: bool) -> None:
        """Says what the journal has room for (R16)."""
        state = self._state
        resumed = leases and not state.room_for_leases
        state.room_for_work, state.room_for_leases = work, leases
        if resumed:
            state.enqueue_all()

    def is_named(self, peer: Peer, call_id: int) -> bool:
        """Whether a client's call is a named map."""
        session = self._state.clients.get(peer)
        call = None if session is None else session.calls.get(call_id) or session.fed.get(call_id)
        return call is not None and bool(call.key)

    def hold(self, peer: Peer, held: bool) -> None:
        """Says whether nothing of a client is to be leased, since there is no room for its results (R16)."""
        session = self._state.clients.get(peer)
        if session is not None and session.held != held:
            session.hold(held)

    def _proceed(self, now: float) -> None:
        if self._state.leaving:
            self._roster.retire(now)
        self._fill(now)
        if self._scaling and self._roster.as_wanted:
            for peer in self._scaling:
                self._state.outbox.send(peer, self.status(now))
            self._scaling = []

    def _fill(self, now: float, **how: float) -> None:
        self._trials.look(now)
        fill(self._state, now, **how)
