"""The scheduler daemon's shell: sockets, the clock and the log around the pure machine."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from ..core.events import Event, line
from ..core.trim import Trimmer
from ..core.version import own_environment, refusal
from ..errors import KubefutureError, ProtocolError
from ..machine.machine import Machine
from ..protocol.blob_messages import apart
from ..protocol.limits import MOST_SLOTS
from ..protocol.messages import AnyMessage, Bye, Fetch, Hello, KeepBlob, Refused, Scale, Welcome
from .answers import Answers
from .blob_traffic import blob_traffic
from .collecting import Collector
from .diary import Diary
from .expecting import Expected
from .journal import Journal
from .party import Party, Presence
from .peer import Peer
from .quiet import Quiet
from .silence import Silence
from .storing import Store

_TICK = 0.25


class Server:
    """All connections of one scheduler.

    Args:
        key: The token's bytes.
        machine: The state.
        log: Takes one line for the log.
        scaled: Told the wanted number of slots when a client says it.
        journal: Holds named work; None where there is none.
        events: What the machine says that happened.
        expected: The workers to wait for, since a scheduler before this one had them.
        blobs: The folder of what functions captured; None where none can be.
        store: Takes what is not to be in memory; None keeps everything there.

    Attributes:
        strangers: The log for those who have not logged in.
    """

    def __init__(
        self,
        key: bytes,
        machine: Machine,
        log: Callable[[str], None],
        scaled: Callable[[int], None],
        journal: Journal | None = None,
        expected: Expected | None = None,
        events: list[Event] | None = None,
        blobs: Path | None = None,
        store: Store | None = None,
    ) -> None:
        self._key = key
        self._machine = machine
        self._log = log
        self._diary = Diary(log)
        self._events = events if events is not None else []
        self.strangers = Quiet(log)
        self._scaled = scaled
        self._epoch = machine.epoch
        self._numbers = count(1)
        self._parties: dict[int, Party] = {}
        self._by_identity: dict[str, Party] = {}
        self._environment = own_environment()
        self._trimmer = Trimmer()
        self._silence = Silence(self._diary, machine)
        self._journal = journal
        self._store = store
        self._expected = expected
        self._blobs = None if blobs is None else blob_traffic(blobs, machine, log)
        self._answers = Answers(journal.committed if journal is not None else 0)
        self._collector = Collector(journal, machine.named, self._answers) if journal is not None else None
        if expected is not None:
            machine.wait(expected.waits(time.monotonic()), time.monotonic())
        if journal is not None:
            loop = asyncio.get_running_loop()
            journal.start(lambda number: _call_soon(loop, self._committed, number))
        self.tick()

    def protocol(self) -> Peer:
        """A new connection, for asyncio."""
        return Peer(self, next(self._numbers), self._key)

    def joined(self, peer: Peer, hello: Hello) -> None:
        """A peer logged in and said who it is."""
        reason = refusal(hello, self._environment)
        if reason:
            self._diary.about("refused", hello, host=hello.host, pid=hello.pid, reason=reason)
            peer.send([Refused(reason)])
            peer.close()
            return
        now = time.monotonic()
        known = self._by_identity.get(hello.identity)
        if known is not None and hello.epoch == self._exchange(known) and known.can_resume(hello.received):
            self._resume(known, peer, hello.received, now)
            self._diary.about("back", hello)
            return
        if known is not None and known.is_unheard and hello.role == "client":
            self._resume(known, peer, 0, now, welcomed=False)
            self._diary.about("back", hello)
            return
        if known is not None:
            self._forget(known, now)
        for other in [other for other in self._parties.values() if hello.place == other.hello.place != ""]:
            self._forget(other, now, reason="replaced")
        party = Party(peer, hello, self._store)
        self._parties[party.number] = self._by_identity[hello.identity] = party
        slots = len(hello.slots) if hello.role == "worker" else None
        self._diary.about("connected", hello, host=hello.host, pid=hello.pid, slots=slots)
        peer.send([self._welcome(party)])
        self._machine.connected(party.number, hello, now)
        if self._expected is not None and hello.role == "worker":
            self._expected.joined(hello)
        if self._blobs is not None:
            self._blobs.joined(party)
        self.flush()

    def left(self, peer: Peer, *, cut: bool = False) -> None:
        """A connection ended; `cut` in the middle of a message, as long ones are when a network fails (R10)."""
        if cut:
            self._log(line("connection-cut", peer=peer.name, reason="it ended in the middle of a message"))
        party = self._parties.get(peer.party)
        if party is None or party.peer is not peer:
            return
        now = time.monotonic()
        party.leave(now)
        if not party.is_lasting or party.is_over(now):
            self._forget(party, now, Presence.EXPIRED)
        else:
            self._diary.about("away", party.hello)
            self._machine.away(party.number)
        self.flush()

    def received(self, peer: Peer, messages: list[AnyMessage]) -> None:
        """Messages of a peer that joined."""
        party = self._parties.get(peer.party)
        if party is None or party.peer is not peer:
            return
        now, before = time.monotonic(), self._answers.recorded
        self._silence.heard(party, now)
        messages, of_blobs = apart(messages)
        for message in party.receive(messages):
            if isinstance(message, Bye):  # the connection itself may live on in a fork of the client
                self._forget(party, now, reason="goodbye")
                peer.close()
                break
            if isinstance(message, Scale) and message.slots > MOST_SLOTS:
                raise ProtocolError(f"There cannot be {message.slots} slots, {MOST_SLOTS} at most.")
            if isinstance(message, Fetch):
                if self._collector is None:
                    raise ProtocolError("There is no journal to fetch from.")
                self._record()  # what it is told may come from a message just before
                self._collector.fetch(party, message)
                continue
            if isinstance(message, KeepBlob) and self._blobs is not None:
                self._blobs.keep(party, message)
                continue
            if self._store is not None:
                message = self._store.arguments(message, self._machine, party.number)
            self._machine.received(party.number, message, now)
            if isinstance(message, Scale):
                self._log(line("scaled", slots=message.slots))
                self._scaled(message.slots)
        if of_blobs and self._blobs is not None and party.number in self._parties:
            self._blobs.received(party, of_blobs)
        if self._expected is not None and self._machine.waits:
            self._expected.told(party.hello)  # its first message says what it has
            self._machine.wait(self._expected.waits(now), now)
        self._record()
        recorded = self._answers.recorded
        party.vouch(recorded if recorded > before else 0)
        self.flush()

    def writable(self, peer: Peer) -> None:
        """A connection takes more."""
        party = self._parties.get(peer.party)
        if party is not None and party.peer is peer:
            party.write()

    def flush(self) -> None:
        """Sends what the machine wants sent, and logs what happened."""
        if self._events:
            self._diary.write(self._events)
            self._events.clear()
        for number, messages in self._machine.take().items():
            party = self._parties.get(number)
            if party is not None:
                self._answers.send(party, messages)

    def trouble(self, peer: Peer, error: Exception) -> None:
        """A peer did what it may not; only its own connection ends, and all that belongs to it."""
        if not peer.logged_in:
            self.strangers(f"ended {peer.name}: {error}")
            peer.close()  # which lets the refusal through
            return
        declared = isinstance(error, KubefutureError)  # it broke a rule, rather than found a mistake of ours
        reason = str(error) if declared else repr(error)
        self._log(line("connection-ended", peer=peer.name, reason=reason))
        if not declared:
            self._log("".join(traceback.format_exception(error)))
        peer.abort()
        party = self._parties.get(peer.party)
        if party is not None and party.peer is peer:
            self._forget(party, time.monotonic())
            self.flush()

    def absent(self) -> list[Party]:
        """Those who are away, and may come back."""
        return [party for party in self._parties.values() if party.peer is None]

    def tick(self) -> None:
        """Tells the machine that time passes."""
        asyncio.get_running_loop().call_later(_TICK, self.tick)
        now = time.monotonic()
        for party in self.absent():
            if party.is_over(now):
                self._forget(party, now, Presence.EXPIRED)
        for party in self._parties.values():
            party.acknowledge()
        self._silence.look(self._parties.values(), now)
        if self._store is not None:
            self._store.look(self._machine, list(self._parties.values()))
        if self._expected is not None and self._machine.waits:
            self._machine.wait(self._expected.waits(now), now)
        if self._blobs is not None:
            self._blobs.collect(now)
        unread = self._store is not None and self._store.result_bytes > 0
        self._trimmer.look(busy=self._machine.busy or unread, now=now)
        self._machine.tick(now)
        self._record()
        if self._collector is not None:
            self._collector.look()
        self.flush()

    def close(self) -> None:
        """Ends all connections."""
        for party in self._parties.values():
            if party.peer is not None:
                party.peer.close()
        if self._blobs is not None:
            self._blobs.close()

    def _record(self) -> None:
        """Hands what is to be recorded to the journal."""
        if self._journal is None or not (records := self._machine.take_records()):
            return
        if self._store is None:
            self._answers.recorded = self._journal.append(records)
        else:
            self._answers.recorded = self._store.record(records, self._machine.named)

    def _committed(self, number: int) -> None:
        self._answers.committed(number)
        for party in self._parties.values():
            party.committed(number)
            party.acknowledge()
        if self._store is not None:
            self._store.committed(number)
        if self._collector is not None:
            self._collector.look()

    def _exchange(self, party: Party) -> str:
        """Names the exchange with a party: another one when it is begun anew, by this scheduler or the next."""
        return f"{self._epoch}.{party.number}"

    def _welcome(self, party: Party, *, resumed: bool = False) -> Welcome:
        received, machine = party.conversation.received, self._machine
        return Welcome(self._exchange(party), resumed, received, machine.slots, machine.cpus)

    def _resume(self, party: Party, peer: Peer, received: int, now: float, *, welcomed: bool = True) -> None:
        """A party is back; `welcomed` says whether our Welcome to this exchange had reached it."""
        missed = party.conversation.resume(received)
        party.come_back(peer)
        peer.send([self._welcome(party, resumed=welcomed)])
        party.resend(missed)
        self._machine.back(party.number, now)
        if self._blobs is not None:
            self._blobs.joined(party)
        self.flush()

    def _forget(
        self, party: Party, now: float, presence: Presence = Presence.CLOSED, *, reason: str | None = None
    ) -> None:
        self._diary.about(presence.value, party.hello, reason=reason)
        del self._parties[party.number], self._by_identity[party.hello.identity]
        party.end(presence)
        self._answers.left(party)
        if self._collector is not None:
            self._collector.left(party)
        if self._blobs is not None:
            self._blobs.left(party)
        if self._expected is not None:
            self._expected.left(party.hello)
        self._machine.disconnected(party.number, now)
        self._record()


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[int], None], number: int) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(function, number)
