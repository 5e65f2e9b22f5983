"""What Dask is given as data: functions, and the large data that they refer to, each once."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from ..client.session import Session
from ..protocol.messages import Function
from ..worker.in_dask import Parcel

_SMALL = 64 << 10
"""A function of so many bytes goes with each chunk; a larger one is given to Dask once, as data."""


class DaskParcels:
    """A session's functions as arguments of Dask's tasks.

    Args:
        session: It has the blobs.
        path: Where the calling program finds its own modules.
    """

    def __init__(self, session: Session, path: tuple[str, ...]) -> None:
        self._session = session
        self._path = path
        self._program = uuid.uuid4().hex
        self._parcels: dict[int, tuple[Any, dict[bytes, Any]]] = {}

    def arguments(self, client: Any, function: Function) -> list[Any]:
        """The parcel of a function, and its blobs' bytes in their order.

        Several functions that refer to the same blob share it: of the batches of a grid search each has parts of its
        own beside the data that is everybody's.

        Raises:
            OSError: The worker that was to have some of it has gone.
        """
        parcel, contents = self._parcels.get(function.id, (None, {}))
        if parcel is None:
            known = {
                digest: data for _, each in self._parcels.values() for digest, data in each.items() if data
            }
            contents = {
                blob.digest: known.get(blob.digest) or self._scattered(client, blob.digest)
                for blob in function.blobs
            }
            parcel = Parcel(function, self._path, self._program)
            if contents or len(function.payload) > _SMALL:
                parcel = client.scatter(parcel, hash=False)
            self._parcels[function.id] = parcel, contents
        return [parcel, *(contents[blob.digest] for blob in function.blobs)]

    def replaced(self, function: int) -> None:
        """A function refers to more blobs from now on."""
        if function in self._parcels:
            self._parcels[function] = None, self._parcels[function][1]

    def lost(self, function: int) -> None:
        """Dask does not have some of a function's data any more."""
        _, contents = self._parcels.pop(function, (None, {}))
        for number, (_, others) in list(self._parcels.items()):
            if not contents.keys().isdisjoint(others):
                del self._parcels[number]

    def keep_only(self, functions: Collection[int]) -> None:
        """Others will not be called any more."""
        for number in self._parcels.keys() - functions:
            del self._parcels[number]

    def clear(self) -> None:
        """Forgets everything."""
        self._parcels.clear()

    def _scattered(self, client: Any, digest: bytes) -> Any:
        with self._session.lock:
            file = self._session.functions.blob(digest)
        return b"" if file is None else client.scatter(file.read(0, file.blob.size), hash=False)
