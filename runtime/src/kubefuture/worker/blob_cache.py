"""A worker's blobs: those of programs on the same machine are mapped where they are, others come once (R26, R29)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Container, Iterable, Sequence

import msgspec

from ..core.blob_arrival import Arrival
from ..core.blob_folder import BlobFolder
from ..core.blobs import BlobError, Mapped
from ..core.identity import this_machine
from ..core.settings import BLOBS
from ..errors import ProtocolError
from ..protocol.blob_messages import BlobMessage
from ..protocol.messages import Blob, BlobMissing, BlobPart, Function, Message

_TRIES = 3
"""So often a blob is fetched that arrives damaged."""


class BlobCache:
    """The blobs of one worker.

    Args:
        folder: Where those are kept that came over the connection.
        send: Takes messages for the scheduler; drops them when there is no connection.
        happened: Takes a line for the log: an event and what there is to say of it.
    """

    def __init__(
        self,
        folder: BlobFolder,
        send: Callable[[Sequence[Message]], None],
        happened: Callable[..., None],
    ) -> None:
        self._folder = folder
        self._send = send
        self._happened = happened
        self._machine = this_machine()
        self._host = socket.gethostname()
        self._near: dict[tuple[str, bytes], Mapped] = {}
        self._sessions: dict[int, str] = {}
        self._users: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self._given_up: dict[bytes, str] = {}
        self._tries: dict[bytes, int] = {}

    @property
    def used(self) -> set[bytes]:
        """The blobs that functions of slots refer to."""
        return {digest for digests in self._users.values() for digest in digests}

    def bound(self, slot: int, session: str) -> None:
        """A slot is a session's from now on. What that maps is for it alone, since it is not verified."""
        self._sessions[slot] = session

    def prepare(self, slot: int, function: Function) -> Function | None:
        """A function whose blobs have paths that count here; None if some of them are still to come.

        Args:
            slot: Who needs it, until `release`.
            function: As the scheduler sent it.
        """
        self._users[slot, function.id] = tuple(blob.digest for blob in function.blobs)
        session = self._sessions.get(slot, "")
        found = [self._find(session, blob) for blob in function.blobs]
        if None in found:
            return None
        return msgspec.structs.replace(function, blobs=tuple(found))

    def release(self, slot: int, functions: Iterable[int] | None = None) -> None:
        """A slot does not need these functions any more, or none of them."""
        keys = [(slot, function) for function in functions] if functions is not None else None
        released = False
        for key in keys if keys is not None else [key for key in self._users if key[0] == slot]:
            released = bool(self._users.pop(key, ())) or released
        if released:
            used = self.used
            near = {(self._sessions.get(slot, ""), digest) for slot, digest in self._needs()}
            for unneeded in self._near.keys() - near:
                self._near.pop(unneeded).close()
            for arrival in [found for found in self._folder.arrivals.values() if found.digest not in used]:
                self._tries.pop(arrival.digest, None)
                self._folder.end(arrival, time.monotonic())

    def joined(self) -> None:
        """There is a connection, another one than before: what did not come is asked for again."""
        for arrival in self._folder.arrivals.values():
            arrival.parted()
        self._ask()

    def received(self, messages: Iterable[BlobMessage]) -> None:
        """What the scheduler says of blobs.

        Raises:
            ProtocolError: No rule allows it.
        """
        for message in messages:
            arrival = self._folder.arrivals.get(message.digest)
            if isinstance(message, BlobPart):
                if arrival is not None:
                    arrival.take(message)
            elif isinstance(message, BlobMissing):
                if arrival is not None:
                    self._give_up(arrival, message.reason)
            else:
                raise ProtocolError(f"A {type(message).__name__} does not belong here.")

    def look(self, now: float) -> bool:
        """Arrivals went on; returns whether one is over, so that something may go on. `now` is in seconds."""
        over = bool(self._given_up)
        for arrival in list(self._folder.arrivals.values()):
            if not arrival.over:
                continue
            over = True
            if arrival.finished:
                self._folder.end(arrival, now)
                self._tries.pop(arrival.digest, None)
                self._happened("blob-arrived", blob=arrival.digest.hex(), bytes=arrival.size)
            elif arrival.problem:
                self._give_up(arrival, f"it cannot be kept: {arrival.problem}")
            else:
                self._again(arrival)
        self._ask()
        return over or bool(self._given_up)

    def settled(self, waiting: Container[bytes]) -> None:
        """Who waited for what cannot be had has been told, but for these that others wait with; the next tries anew."""
        self._given_up = {digest: why for digest, why in self._given_up.items() if digest in waiting}

    def collect(self, now: float) -> None:
        """Lets go what has not been needed for a while; `now` is in seconds. What could not be asked for is."""
        self._folder.collect(now)
        self._ask()

    def close(self) -> None:
        """Ends everything that arrives."""
        self._folder.close()

    def _needs(self) -> Iterable[tuple[int, bytes]]:
        return ((slot, digest) for (slot, _), digests in self._users.items() for digest in digests)

    def _find(self, session: str, blob: Blob) -> Blob | None:
        """Where it is on this machine; with no path if it cannot be had, None while it is on its way."""
        digest = blob.digest
        near = self._near.get((session, digest)) or self._map(session, blob)
        if near is not None:
            return Blob(digest, blob.size, f"/proc/{os.getpid()}/fd/{near.handle}", inode=near.inode)
        if self._folder.has(digest) and self._folder.size(digest) == blob.size:
            return Blob(digest, blob.size, self._folder.path(digest))
        if digest in self._given_up:
            return Blob(digest, blob.size, problem=f" on {self._host}: {self._given_up[digest]}")
        if digest not in self._folder.arrivals:
            try:
                self._folder.begin(digest, blob.size)
            except OSError as error:
                self._happened("blob-refused", blob=digest.hex(), bytes=blob.size, reason=str(error))
                return Blob(digest, blob.size, problem=f" on {self._host}: {error}")
        return None

    def _map(self, session: str, blob: Blob) -> Mapped | None:
        """Its own program's memory, if that is on this machine and nobody can change it."""
        if not blob.path or blob.machine != self._machine or not self._machine:
            return None
        try:
            mapped = Mapped(blob)
        except BlobError:
            return None
        if not mapped.is_sealed():
            mapped.close()
            return None
        self._near[session, blob.digest] = mapped
        return mapped

    def _ask(self) -> None:
        """Asks for what is to come next, of some blobs at a time."""
        for arrival in list(self._folder.arrivals.values())[:BLOBS]:
            wanted = arrival.wanted()
            if wanted is not None:
                self._send([wanted])

    def _again(self, arrival: Arrival) -> None:
        """It came damaged."""
        digest = arrival.digest
        tries = self._tries[digest] = self._tries.get(digest, 0) + 1
        reason = "its bytes are not those of its name"
        self._send([BlobMissing(digest, reason)])
        if tries >= _TRIES:
            self._give_up(arrival, reason)
            return
        self._folder.end(arrival, time.monotonic())
        try:
            self._folder.begin(digest, arrival.size)
        except OSError as error:
            self._give_up(arrival, str(error))

    def _give_up(self, arrival: Arrival, reason: str) -> None:
        self._tries.pop(arrival.digest, None)
        self._folder.end(arrival, time.monotonic())
        self._given_up[arrival.digest] = reason
        self._happened("blob-missing", blob=arrival.digest.hex(), bytes=arrival.size, reason=reason)
