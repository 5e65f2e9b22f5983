"""Blobs as files of a folder, named by digest: a scheduler's, and a worker's (R26, R29)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Container
from pathlib import Path

from ..errors import StartError
from .blob_arrival import Arrival
from .settings import BLOB_SECONDS, BLOB_STORE_BYTES, BLOB_VOLUME

_HANDLES = 8


class BlobFolder:
    """A folder of blobs. What nothing refers to goes after a while, or when there has to be room.

    Args:
        folder: Where they are; it is made if it is not there.
        changed: Called in any thread when an arrival went on.
        used: Returns the digests of those that must stay.
        limit: How many bytes they may take together; less on a small volume.

    Attributes:
        arrivals: The blobs that are on their way here, by digest.

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
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._limit = min(limit, int(shutil.disk_usage(folder).total * BLOB_VOLUME))
            for file in list(folder.iterdir()):
                if len(file.name) == 64 and file.is_file():
                    digest = bytes.fromhex(file.name)
                    self._sizes[digest], self._used_at[digest] = file.stat().st_size, 0.0
                else:
                    file.unlink()  # it was arriving when the program before this one ended
        except (OSError, ValueError) as error:
            raise StartError(f"The folder for captured data, {folder}, cannot be used: {error}.") from None

    @property
    def taken(self) -> int:
        """How many bytes they take, those that arrive included."""
        return sum(self._sizes.values()) + sum(arrival.size for arrival in self.arrivals.values())

    def has(self, digest: bytes, size: int) -> bool:
        """Whether all of a blob is there."""
        return self._sizes.get(digest) == size

    def path(self, digest: bytes) -> Path:
        """The file of a blob, once that is there."""
        return self._folder / digest.hex()

    def begin(self, digest: bytes, size: int, *, lasting: bool = False) -> Arrival:
        """Begins to take a blob.

        Raises:
            OSError: There is no room for it.
        """
        self.drop(digest)
        self._make_room(size)
        arrival = Arrival(digest, size, self.path(digest), self._changed, lasting=lasting)
        self.arrivals[digest] = arrival
        return arrival

    def end(self, arrival: Arrival, now: float) -> None:
        """An arrival is over, whatever came of it; `now` is in seconds."""
        self.arrivals.pop(arrival.digest, None)
        if arrival.finished:
            self._sizes[arrival.digest], self._used_at[arrival.digest] = arrival.size, now
        else:
            self._close(arrival.digest)
            arrival.stop()

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
        handle = self._handles.pop(digest, -1)
        if handle < 0:
            handle = self._open(digest)
        self._handles[digest] = handle
        if len(self._handles) > _HANDLES:
            self._close(next(iter(self._handles)))
        return os.pread(handle, stop - start, start)

    def collect(self, now: float) -> None:
        """Removes what nothing has referred to for a while; `now` is in seconds."""
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
            if sizes.get(digest) != size:
                self.drop(digest)

    def drop(self, digest: bytes) -> None:
        """Removes a blob, if it is there."""
        if self._sizes.pop(digest, None) is not None:
            self._close(digest)
            del self._used_at[digest]
            self.path(digest).unlink(missing_ok=True)

    def close(self) -> None:
        """Ends everything that arrives."""
        for arrival in list(self.arrivals.values()):
            arrival.stop()
        self.arrivals.clear()
        for digest in list(self._handles):
            self._close(digest)

    def _make_room(self, size: int) -> None:
        used = self._used()
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

    def _open(self, digest: bytes) -> int:
        for file in (self.path(digest).with_suffix(".part"), self.path(digest)):
            try:
                return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # it was finished in this moment
        raise FileNotFoundError(self.path(digest))

    def _close(self, digest: bytes) -> None:
        handle = self._handles.pop(digest, None)
        if handle is not None:
            os.close(handle)
