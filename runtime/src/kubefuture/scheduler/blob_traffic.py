"""Blobs on their way from clients to workers: each comes here once, and goes on while it still comes (R26).

worker ── BlobWanted ──> here? ── yes ──> its lane ── BlobPart … ──> worker
                          └── no ── BlobWanted ──> a client that has it ── BlobPart … ──> folder ──> lane
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..core.blob_arrival import Arrival
from ..core.blob_folder import BlobFolder
from ..core.blob_lane import Lane
from ..core.events import line
from ..core.nudge import Nudge
from ..errors import ProtocolError
from ..machine.machine import Machine
from ..protocol.blob_messages import BlobMessage
from ..protocol.messages import BlobKept, BlobMissing, BlobPart, BlobRefused, BlobWanted, KeepBlob
from .party import Party

_NOBODY = "the program that captured it has ended, or does not need it any more"


def blob_traffic(folder: Path, machine: Machine, log: Callable[[str], None]) -> BlobTraffic:
    """The traffic of a scheduler, with what its folder has kept for named maps.

    Raises:
        StartError: The folder cannot be used.
    """
    loop = asyncio.get_running_loop()
    kept = BlobFolder(folder, Nudge(loop, lambda: traffic.look()), machine.used_blobs)
    traffic = BlobTraffic(kept, machine.blob_holders, machine.used_blobs, log)
    kept.keep_only(machine.used_blobs(), time.monotonic())
    return traffic


class BlobTraffic:
    """What goes on with blobs.

    Args:
        folder: Where they are kept.
        holders: The numbers of the clients that have a blob.
        sizes: What work refers to: digest to size.
        log: Takes one line for the log.
    """

    def __init__(
        self,
        folder: BlobFolder,
        holders: Callable[[bytes], Iterable[int]],
        sizes: Callable[[], dict[bytes, int]],
        log: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._holders = holders
        self._sizes = sizes
        self._log = log
        self._parties: dict[int, Party] = {}
        self._sources: dict[bytes, int] = {}
        self._keeping: dict[bytes, set[int]] = {}
        self._asking: dict[bytes, set[int]] = {}

    def joined(self, party: Party) -> None:
        """A party is there, anew or again. What it was asked for over an earlier connection is asked for again."""
        self._parties[party.number] = party
        if party.hello.role == "worker" and party.peer is not None:
            party.peer.lane = Lane(party.tell, self.read)
        for arrival in list(self._folder.arrivals.values()):
            if self._sources.get(arrival.digest) == party.number:
                self._ask(arrival, again=True)

    def left(self, party: Party) -> None:
        """A party will not come back."""
        self._parties.pop(party.number, None)
        for waiting in (*self._keeping.values(), *self._asking.values()):
            waiting.discard(party.number)
        for arrival in list(self._folder.arrivals.values()):
            if self._sources.get(arrival.digest) == party.number:
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
            elif isinstance(message, BlobMissing):
                self._missing(party, message)
            else:
                raise ProtocolError(f"A {type(message).__name__} does not belong here.")

    def look(self) -> None:
        """Arrivals went on: asks for more, passes on what came, and ends those that are over."""
        for arrival in list(self._folder.arrivals.values()):
            if arrival.over:
                self._end(arrival)
            else:
                self._ask(arrival)
        for party in self._parties.values():
            if party.peer is not None and party.peer.lane is not None:
                party.peer.lane.pump()

    def read(self, digest: bytes, start: int, stop: int) -> bytes | None:
        """For the lanes: bytes of a blob, as `BlobFolder.read`."""
        try:
            return self._folder.read(digest, start, stop)
        except OSError as error:
            self._log(line("blob-unreadable", blob=digest.hex(), reason=str(error)))
            self._folder.drop(digest)
            return None

    def collect(self, now: float) -> None:
        """Lets go what has not been needed for a while, and what nobody waits for; `now` is in seconds."""
        if self._folder.arrivals:
            used = self._sizes()
            for arrival in list(self._folder.arrivals.values()):
                if arrival.digest not in used and not self._keeping.get(arrival.digest):
                    self._folder.end(arrival, now)
                    self._sources.pop(arrival.digest, None)
                    self._asking.pop(arrival.digest, None)
        self._folder.collect(now)

    def close(self) -> None:
        """Ends everything."""
        self._folder.close()

    def _wanted(self, party: Party, message: BlobWanted) -> None:
        digest = message.digest
        size = self._sizes().get(digest, -1)
        if digest not in self._folder.arrivals and not self._folder.has(digest, size):
            self._fetch(digest, size, lasting=False)
        if digest in self._folder.arrivals or self._folder.has(digest, size):
            self._asking.setdefault(digest, set()).add(party.number)
            if party.peer is not None and party.peer.lane is not None:
                party.peer.lane.want(message)
        else:
            party.tell([BlobMissing(digest, self._problem or _NOBODY)])

    _problem = ""

    def _fetch(self, digest: bytes, size: int, *, lasting: bool, source: int = 0) -> None:
        """Begins to fetch a blob from a client that has it, if there is one and there is room."""
        self._problem = ""
        source = source or next((number for number in self._holders(digest) if number in self._parties), 0)
        if not source or size < 0:
            return
        try:
            arrival = self._folder.begin(digest, size, lasting=lasting)
        except OSError as error:
            self._problem = f"the scheduler cannot keep it: {error}"
            self._log(line("blob-refused", blob=digest.hex(), bytes=size, reason=str(error)))
            return
        self._sources[digest] = source
        self._ask(arrival)

    def keep(self, party: Party, message: KeepBlob) -> None:
        """A client wants a blob on disk before it begins named work that refers to it."""
        digest = message.digest
        arrival = self._folder.arrivals.get(digest)
        if self._folder.has(digest, message.size):
            party.send([BlobKept(digest)])
            return
        if arrival is None:
            self._fetch(digest, message.size, lasting=True, source=party.number)
            if digest not in self._folder.arrivals:
                party.send([BlobRefused(digest, self._problem or _NOBODY)])
                return
        else:
            arrival.lasting = True
        self._keeping.setdefault(digest, set()).add(party.number)

    def _missing(self, party: Party, message: BlobMissing) -> None:
        """A client has it no more, or a worker got something else."""
        arrival = self._folder.arrivals.get(message.digest)
        if party.hello.role == "worker":
            self._log(line("blob-unsound", blob=message.digest.hex(), reason=message.reason))
            self._folder.drop(message.digest)
        elif arrival is not None and self._sources.get(message.digest) == party.number:
            self._next_source(arrival)

    def _next_source(self, arrival: Arrival) -> None:
        """Who sent it is gone: another one begins, or nobody."""
        digest, before = arrival.digest, self._sources.pop(arrival.digest, 0)
        others = [number for number in self._holders(digest) if number in self._parties and number != before]
        if others:
            self._sources[digest] = others[0]
            self._ask(arrival, again=True)
            return
        self._folder.end(arrival, time.monotonic())
        self._tell(digest, _NOBODY)

    def _ask(self, arrival: Arrival, *, again: bool = False) -> None:
        party = self._parties.get(self._sources.get(arrival.digest, 0))
        if party is not None and party.peer is not None:
            wanted = arrival.wanted(again=again)
            if wanted is not None:
                party.tell([wanted])

    def _end(self, arrival: Arrival) -> None:
        digest = arrival.digest
        self._folder.end(arrival, time.monotonic())
        source = self._parties.get(self._sources.pop(digest, 0))
        if arrival.finished:
            self._log(line("blob-arrived", blob=digest.hex(), bytes=arrival.size))
            for number in self._keeping.pop(digest, ()):
                if number in self._parties:
                    self._parties[number].send([BlobKept(digest)])
            self._asking.pop(digest, None)
            return
        reason = arrival.problem and f"the scheduler cannot keep it: {arrival.problem}"
        self._log(
            line("blob-failed", blob=digest.hex(), reason=reason or "its bytes are not those of its name")
        )
        self._tell(digest, reason or "it arrived damaged")
        if arrival.lied and source is not None:
            source.accuse(ProtocolError("the bytes of a blob are not those of its name"))

    def _tell(self, digest: bytes, reason: str) -> None:
        for number in self._keeping.pop(digest, ()):
            self._parties[number].send([BlobRefused(digest, reason)])
        for number in self._asking.pop(digest, ()):
            self._parties[number].tell([BlobMissing(digest, reason)])
