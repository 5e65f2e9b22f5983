"""Blobs on their way from clients to workers: each comes here once, and goes on while it still comes (R26).

worker ── BlobWanted ──> here? ── yes ──> its lane ── BlobPart … ──> worker
                          └── no ── BlobWanted ──> a client that has it ── BlobPart … ──> folder ──> lane
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from pathlib import Path

from ..core.blob_arrival import Arrival, sync_file
from ..core.blob_folder import BlobFolder
from ..core.blob_lane import Lane
from ..core.events import line
from ..core.nudge import Nudge
from ..core.settings import BLOB_PATIENCE, BLOBS
from ..errors import ProtocolError
from ..machine.machine import Machine
from ..protocol.blob_messages import BlobMessage
from ..protocol.messages import BlobKept, BlobMissing, BlobPart, BlobRefused, BlobWanted, KeepBlob
from .party import Party

_NOBODY = "the program that captured it has ended, or does not need it any more"

_MOST = 4096
"""So many blobs are fetched, and so many questions wait, at a time."""


def blob_traffic(folder: Path, machine: Machine, log: Callable[[str], None]) -> BlobTraffic:
    """The traffic of a scheduler, with what its folder has kept for named maps.

    Raises:
        StartError: The folder cannot be used.
    """
    loop = asyncio.get_running_loop()
    kept = BlobFolder(folder, Nudge(loop, lambda: traffic.look()), lambda: traffic.used())
    traffic = BlobTraffic(kept, machine, log)
    kept.keep_only(machine.used_blobs(), time.monotonic())
    return traffic


class BlobTraffic:
    """What goes on with blobs.

    Args:
        folder: Where they are kept.
        machine: Knows what work refers to, and which clients have it.
        log: Takes one line for the log.
    """

    def __init__(self, folder: BlobFolder, machine: Machine, log: Callable[[str], None]) -> None:
        self._folder = folder
        self._machine = machine
        self._log = log
        self._parties: dict[int, Party] = {}
        self._sources: dict[bytes, int] = {}
        self._keeping: dict[bytes, dict[int, int]] = {}
        self._promised: dict[bytes, dict[int, int]] = {}
        self._syncing: set[bytes] = set()
        self._begun: dict[bytes, float] = {}
        self._asking: dict[bytes, dict[int, int]] = {}
        self._unanswered: dict[tuple[int, bytes], BlobWanted] = {}

    def used(self) -> Container[bytes]:
        """What must stay: what work refers to, and what a client was told that it may refer to."""
        return {**self._machine.used_blobs(), **self._keeping, **self._promised}

    def joined(self, party: Party) -> None:
        """A party is there, anew or again. What it was asked for over an earlier connection is asked for again."""
        self._parties[party.number] = party
        if party.hello.role == "worker" and party.peer is not None:
            party.peer.lane = Lane(party.tell, self.read)
        for digest, arrival in self._folder.arrivals.items():
            if self._sources.get(digest) == party.number:
                arrival.parted()
        self._ask()

    def left(self, party: Party) -> None:
        """A party will not come back."""
        number = party.number
        self._parties.pop(number, None)
        for waiting in (self._keeping, self._promised, self._asking):
            for digest in [digest for digest, numbers in waiting.items() if number in numbers]:
                del waiting[digest][number]
                if not waiting[digest]:
                    del waiting[digest]
        self._unanswered = {key: asked for key, asked in self._unanswered.items() if key[0] != number}
        for arrival in list(self._folder.arrivals.values()):
            if self._sources.get(arrival.digest) == number:
                self._next_source(arrival)

    def received(self, party: Party, messages: Iterable[BlobMessage]) -> None:
        """What a party says of blobs.

        Raises:
            ProtocolError: No rule allows it.
        """
        for message in messages:
            if isinstance(message, BlobPart) and party.hello.role == "client":
                arrival = self._folder.arrivals.get(message.digest)
                if arrival is not None and self._sources.get(message.digest) == party.number:
                    arrival.take(message)
            elif isinstance(message, BlobWanted) and party.hello.role == "worker":
                self._wanted(party, message)
            elif isinstance(message, BlobMissing) and party.hello.role in ("client", "worker"):
                self._missing(party, message)
            else:
                raise ProtocolError(f"A {type(message).__name__} does not belong here.")

    def look(self) -> None:
        """Arrivals went on: ends those that are over, asks for more, and passes on what came."""
        for digest, arrival in list(self._folder.arrivals.items()):
            if arrival.over and self._folder.arrivals.get(digest) is arrival:
                self._end(arrival)
        self._ask()
        for party in list(self._parties.values()):
            if party.peer is not None and party.peer.lane is not None:
                party.peer.lane.pump()

    def read(self, digest: bytes, start: int, stop: int) -> bytes | None:
        """For the lanes: bytes of a blob, as `BlobFolder.read`. A file that is damaged is fetched again."""
        try:
            return self._folder.read(digest, start, stop)
        except OSError as error:
            self._log(line("blob-unreadable", blob=digest.hex(), reason=str(error)))
            self._folder.drop(digest)
            lost = digest in self._folder.arrivals or self._fetch(digest, self._sources_of(digest))
            return None if lost else b""

    def collect(self, now: float) -> None:
        """Lets go what has not been needed for a while, and what nobody waits for; `now` is in seconds."""
        known = self._machine.used_blobs() if self._folder.arrivals or self._promised else {}
        for digest, arrival in list(self._folder.arrivals.items()):
            if digest not in known and not self._keeping.get(digest):
                self._folder.end(arrival, now)
                self._sources.pop(digest, None)
                self._tell(digest, _NOBODY)
        self._promised = {one: numbers for one, numbers in self._promised.items() if one not in known}
        self._machine.lack(list(self._away(now)), self._slow(now))
        unanswered, self._unanswered = self._unanswered, {}
        for (number, _), message in unanswered.items():
            self._wanted(self._parties[number], message)
        self._folder.collect(now)
        self._ask()

    def close(self) -> None:
        """Ends everything."""
        self._folder.close()

    def keep(self, party: Party, message: KeepBlob) -> None:
        """A client wants a blob on disk before it begins named work that refers to it.

        Raises:
            ProtocolError: It is no client.
        """
        if party.hello.role != "client":
            raise ProtocolError("A KeepBlob does not belong here.")
        digest = message.digest
        arrival = self._folder.arrivals.get(digest)
        if arrival is not None:
            arrival.lasting = True
        elif not self._folder.has(digest) and (
            problem := self._fetch(digest, [(party.number, message.size)], lasting=True)
        ):
            party.send([BlobRefused(digest, problem)])
            return
        self._keeping.setdefault(digest, {})[party.number] = message.size
        if self._folder.has(digest):
            self._confirm(digest)

    def _wanted(self, party: Party, message: BlobWanted) -> None:
        """A worker lacks a blob. Before a client has told what it refers to, a worker may know of it."""
        digest, problem = message.digest, ""
        if not self._folder.has(digest) and digest not in self._folder.arrivals:
            problem = self._fetch(digest, self._sources_of(digest))
        arriving = digest in self._folder.arrivals
        if not problem and not message.start <= message.stop <= self._folder.size(digest):
            problem = f"it has {self._folder.size(digest)} bytes, and not those that were asked for"
        waits = self._machine.is_expecting or arriving
        if not problem:
            if arriving:
                self._asking.setdefault(digest, {})[party.number] = 0
            if party.peer is not None and party.peer.lane is not None:
                party.peer.lane.want(message)
        elif waits and (problem == _NOBODY or arriving) and len(self._unanswered) < _MOST:
            self._unanswered[party.number, digest] = message
        else:
            party.tell([BlobMissing(digest, problem)])

    def _away(self, now: float) -> Iterator[bytes]:
        """Blobs whose client is away and may be so for a day (R10); where another client has one, that sends it."""
        for digest, arrival in list(self._folder.arrivals.items()):
            source = self._parties[self._sources[digest]]
            if source.peer is None and now - source.since > BLOB_PATIENCE:
                others = self._sources_of(digest, but=source.number)
                if others and self._parties[others[0][0]].peer is not None:
                    self._next_source(arrival)
                else:
                    yield digest

    def _slow(self, now: float) -> list[bytes]:
        """Blobs that have been on their way for a while."""
        self._begun = {digest: self._begun.get(digest, now) for digest in self._folder.arrivals}
        return [digest for digest, begun in self._begun.items() if now - begun > BLOB_PATIENCE]

    def _sources_of(self, digest: bytes, *, but: int = 0) -> list[tuple[int, int]]:
        """The clients that have a blob, those that are there first, and how many bytes they say that it has."""
        holders = *self._machine.blob_holders(digest), *self._keeping.get(digest, {}).items()
        found = [pair for pair in holders if pair[0] in self._parties and pair[0] != but]
        return sorted(found, key=lambda source: self._parties[source[0]].peer is None)

    def _fetch(self, digest: bytes, sources: Iterable[tuple[int, int]], *, lasting: bool = False) -> str:
        """Begins to fetch a blob from the first of some clients; returns why not."""
        for number, size in sources:
            try:
                if len(self._folder.arrivals) >= _MOST:
                    raise OSError("too many are on their way already")
                self._folder.begin(digest, size, lasting=lasting)
            except OSError as error:
                self._log(line("blob-refused", blob=digest.hex(), bytes=size, reason=str(error)))
                return f"the scheduler cannot keep it: {error}"
            self._sources[digest] = number
            return ""
        return _NOBODY

    def _ask(self) -> None:
        """Asks for what is to come next, of some blobs of each client at a time."""
        asked: Counter[int] = Counter()
        for digest, arrival in self._folder.arrivals.items():
            source = self._sources.get(digest, 0)
            asked[source] += 1
            party = self._parties.get(source)
            if party is not None and party.peer is not None and asked[source] <= BLOBS:
                wanted = arrival.wanted()
                if wanted is not None:
                    party.tell([wanted])

    def _missing(self, party: Party, message: BlobMissing) -> None:
        """A client has it no more, or a worker got something else."""
        digest = message.digest
        arrival = self._folder.arrivals.get(digest)
        if party.hello.role == "worker":
            self._log(
                line("blob-unsound", blob=digest.hex(), worker=party.hello.identity, reason=message.reason)
            )
            if any(self._sources_of(digest)):  # else there is no better one to be had
                self._folder.drop(digest)
        elif arrival is not None and self._sources.get(digest) == party.number:
            if self._keeping.get(digest, {}).pop(party.number, None) is not None:  # else two would take turns
                party.send([BlobRefused(digest, message.reason)])
            self._next_source(arrival)

    def _next_source(self, arrival: Arrival) -> None:
        """Who sent it is gone: another one begins anew, so that nobody is blamed for another's bytes."""
        digest = arrival.digest
        before = self._sources.pop(digest, 0)
        self._folder.end(arrival, time.monotonic())
        problem = self._fetch(digest, self._sources_of(digest, but=before), lasting=arrival.lasting)
        if problem:
            self._tell(digest, problem)

    def _end(self, arrival: Arrival) -> None:
        digest = arrival.digest
        if arrival.finished:
            self._folder.end(arrival, time.monotonic())
            del self._sources[digest]
            self._log(line("blob-arrived", blob=digest.hex(), bytes=arrival.size))
            self._asking.pop(digest, None)
            if digest in self._keeping:
                self._confirm(digest)
            return
        reason = f"the scheduler cannot keep it: {arrival.problem}" if arrival.problem else ""
        source = self._parties.get(self._sources.get(digest, 0))
        client = source.hello.identity if source else None
        why = reason or "its bytes are not those of its name"
        self._log(line("blob-failed", blob=digest.hex(), client=client, reason=why))
        if reason:
            del self._sources[digest]
            self._folder.end(arrival, time.monotonic())
            self._tell(digest, reason)
        else:
            self._next_source(arrival)
            if source is not None:
                source.accuse(ProtocolError("the bytes of a blob are not those of its name"))

    def _confirm(self, digest: bytes) -> None:
        """Tells who wants a blob kept that it is, once it is on disk for sure (R6)."""
        if digest in self._folder.synced:
            numbers = self._keeping.pop(digest)
            self._promised.setdefault(digest, {}).update(numbers)
            for number in numbers:
                self._parties[number].send([BlobKept(digest)])
        elif digest not in self._syncing:
            self._syncing.add(digest)
            loop = asyncio.get_running_loop()
            syncing = loop.run_in_executor(None, sync_file, self._folder.path(digest))
            syncing.add_done_callback(partial(self._has_synced, digest))

    def _has_synced(self, digest: bytes, syncing: asyncio.Future[None]) -> None:
        self._syncing.discard(digest)
        error = None if syncing.cancelled() else syncing.exception()
        if error is not None:
            self._tell(digest, f"the scheduler cannot keep it: {error}")
        elif self._folder.has(digest):
            self._folder.synced.add(digest)
            if digest in self._keeping:
                self._confirm(digest)

    def _tell(self, digest: bytes, reason: str) -> None:
        for number in self._keeping.pop(digest, ()):
            self._parties[number].send([BlobRefused(digest, reason)])
        for number in self._asking.pop(digest, ()):
            self._parties[number].tell([BlobMissing(digest, reason)])
