"""Blobs as files of a folder, named by digest: a scheduler's, and a worker's (R26, R29)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path

from ..errors import StartError
from .blob_arrival import Arrival
from .settings import BLOB_SECONDS, BLOB_STORE_BYTES, BLOB_VOLUME

_HANDLES = 8
_WHOLE = re.compile(r"[0-9a-f]{64}")
_DRAFT = re.compile(r"[0-9a-f]{64}\.[0-9]+\.part")


class BlobFolder:
    """A folder of blobs. What nothing refers to goes after a while, or when there has to be room.

    Args:
        folder: Where they are; it is made if it is not there.
        changed: Called in any thread when an arrival has begun or gone on, so that more of it is asked for.
        used: Returns the digests of those that must stay.
        limit: How many bytes they may take together; less on a small volume.

    Attributes:
        arrivals: The blobs that are on their way here, by digest.
        synced: Those that are on disk for sure (R6).

    Raises:
        StartError: The folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], None],
        used: Callable[[], Container[bytes]],
        limit: int = BLOB_STORE_BYTES,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._used = used
        self._sizes: dict[bytes, int] = {}
        self._used_at: dict[bytes, float] = {}
        self._handles: dict[bytes, int] = {}
        self.arrivals: dict[bytes, Arrival] = {}
        self.synced: set[bytes] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._limit = min(limit, int(shutil.disk_usage(folder).total * BLOB_VOLUME))
            for file in list(folder.iterdir()):
                if _WHOLE.fullmatch(file.name):
                    digest = bytes.fromhex(file.name)
                    self._sizes[digest], self._used_at[digest] = file.stat().st_size, 0.0
                elif _DRAFT.fullmatch(file.name):
                    file.unlink()  # it was arriving when the program before this one ended
        except OSError as error:
            raise StartError(f"The folder for captured data, {folder}, cannot be used: {error}.") from None

    @property
    def taken(self) -> int:
        """How many bytes they take, those that arrive included."""
        return sum(self._sizes.values()) + sum(arrival.size for arrival in self.arrivals.values())

    def has(self, digest: bytes) -> bool:
        """Whether all of a blob is there. It was verified, so whoever says that it is longer is wrong."""
        return digest in self._sizes

    def size(self, digest: bytes) -> int:
        """How many bytes a blob has that is there, or on its way here."""
        return self._sizes[digest] if digest in self._sizes else self.arrivals[digest].size

    def path(self, digest: bytes) -> str:
        """The file of a blob, once that is there. No Path: Python interns the parts of those, in a table that grows."""
        return f"{self._folder}/{digest.hex()}"

    def begin(self, digest: bytes, size: int, *, lasting: bool = False) -> Arrival:
        """Begins to take a blob.

        Raises:
            OSError: There is no room for it.
        """
        self.drop(digest)
        self._make_room(size)
        arrival = Arrival(digest, size, self.path(digest), self._changed, lasting=lasting)
        self.arrivals[digest] = arrival
        self._changed()
        return arrival

    def end(self, arrival: Arrival, now: float) -> None:
        """An arrival is over, whatever came of it; `now` is in seconds."""
        if self.arrivals.get(arrival.digest) is not arrival:
            return
        del self.arrivals[arrival.digest]
        arrival.stop()
        if arrival.finished:
            if arrival.synced:
                self.synced.add(arrival.digest)
            self._sizes[arrival.digest], self._used_at[arrival.digest] = arrival.size, now
        else:
            self._close(arrival.digest)

    def read(self, digest: bytes, start: int, stop: int) -> bytes | None:
        """Bytes of a blob: fewer or none if they have not arrived yet, None if it is not there.

        Raises:
            OSError: It cannot be read.
        """
        arrival = self.arrivals.get(digest)
        if arrival is None and digest not in self._sizes:
            return None
        stop = min(stop, self._sizes[digest] if arrival is None else arrival.written)
        if start >= stop:
            return b""
        length = stop - start
        handle = self._handles.pop(digest, -1)
        if handle < 0:
            handle = self._open(digest, arrival)
        self._handles[digest] = handle
        if len(self._handles) > _HANDLES:
            self._close(next(iter(self._handles)))
        content = os.pread(handle, length, start)
        if len(content) < length:
            raise OSError(f"{self.path(digest)} is shorter than the {stop} bytes that it had")
        return content

    def collect(self, now: float) -> None:
        """Removes what nothing has referred to for a while; `now` is in seconds."""
        if not self._sizes:
            return  # what is used takes a look at everybody's functions, many times a second
        used = self._used()
        for digest in list(self._sizes):
            if digest in used:
                self._used_at[digest] = now
            elif now - self._used_at[digest] > BLOB_SECONDS:
                self.drop(digest)

    def keep_only(self, sizes: dict[bytes, int], now: float) -> None:
        """Removes, at the start, all but these: digest to size; `now` is in seconds."""
        for digest, size in list(self._sizes.items()):
            self._used_at[digest] = now
            if sizes.get(digest) == size:
                self.synced.add(digest)  # else its map would not have been accepted
            else:
                self.drop(digest)

    def drop(self, digest: bytes) -> None:
        """Removes a blob, if it is there."""
        if self._sizes.pop(digest, None) is not None:
            self._close(digest)
            self.synced.discard(digest)
            del self._used_at[digest]
            with suppress(FileNotFoundError):
                os.unlink(self.path(digest))

    def close(self) -> None:
        """Ends everything that arrives."""
        for arrival in list(self.arrivals.values()):
            arrival.stop()
        self.arrivals.clear()
        for digest in list(self._handles):
            self._close(digest)

    def _make_room(self, size: int) -> None:
        used = self._used() if size <= self._limit else self._sizes  # nothing goes for what never fits
        for digest in sorted(self._used_at, key=self._used_at.__getitem__):
            if self.taken + size <= self._limit:
                return
            if digest not in used:
                self.drop(digest)
        if self.taken + size > self._limit:
            raise OSError(
                f"{size / 2**30:.2f} GiB do not fit into the {self._limit / 2**30:.2f} GiB that captured data may "
                f"take in {self._folder}, of which {self.taken / 2**30:.2f} GiB are taken"
            )

    def _open(self, digest: bytes, arrival: Arrival | None) -> int:
        if arrival is not None:
            try:
                return os.open(arrival.draft, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                pass  # it was finished in this moment
        return os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC)

    def _close(self, digest: bytes) -> None:
        handle = self._handles.pop(digest, None)
        if handle is not None:
            os.close(handle)
