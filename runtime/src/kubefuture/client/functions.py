"""The functions that the other side has: each is sent once, and released when nothing will use it again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..core.blobs import BlobFile
from ..protocol.messages import Blob, Function

_KEPT = 64
"""So many functions of futures stay on the other side without a call that uses them."""

_Key = tuple[bytes, bool, bool, float, tuple[Blob, ...], int, bool, bytes]
"""What makes two futures' functions the same: payload, rng, own_seeds, limit, blobs, level, live, levels."""


class Functions:
    """A session's functions.

    Args:
        ids: Numbers that the session has not used.

    Attributes:
        seeded: Something with a seed was sent.
    """

    def __init__(self, ids: Iterator[int]) -> None:
        self._ids = ids
        self._sent: dict[int, Function] = {}
        self._files: dict[int, tuple[BlobFile, ...]] = {}
        self._uses: dict[int, int] = {}
        self._of_tasks: dict[_Key, int] = {}
        self._resting: dict[int, None] = {}
        self.seeded = False

    @property
    def sent(self) -> list[Function]:
        """All that a new scheduler has to be sent again."""
        return list(self._sent.values())

    def use_in_map(self, function: Function, files: tuple[BlobFile, ...]) -> Function:
        """A map's function, under a number of its own; its blobs are kept as long as it may be used."""
        own = msgspec.structs.replace(function, id=next(self._ids))
        self._sent[own.id] = own
        if files:
            self._files[own.id] = files
        self._uses[own.id] = 1
        self.seeded = self.seeded or own.own_seeds or bool(own.seed)
        return own

    def replace(self, number: int, function: Function, files: tuple[BlobFile, ...]) -> Function:
        """A map's function, which refers to more blobs than before."""
        own = self._sent[number] = msgspec.structs.replace(function, id=number)
        self._files[number] = files
        return own

    def blob(self, digest: bytes) -> BlobFile | None:
        """A blob that the other side may ask for."""
        for files in self._files.values():
            for file in files:
                if file.blob.digest == digest:
                    return file
        return None

    def use_in_task(self, function: Function, files: tuple[BlobFile, ...]) -> tuple[int, list[Function]]:
        """A future's function: its number, and what has to be sent before it can be used; then `remember` it."""
        known = self._of_tasks.get(_key(function))
        if known is not None:
            self._uses[known] += 1
            self._resting.pop(known, None)
            return known, []
        own = self.use_in_map(function, files)
        return own.id, [own]

    def remember(self, number: int) -> None:
        """A future's function was sent for sure, which Ctrl-C can prevent: later futures may use it, too."""
        own = self._sent.get(number)
        if own is not None:
            self._of_tasks[_key(own)] = number

    def end_map(self, function: int) -> int:
        """A map that used it is over. Returns what is to be released."""
        del self._uses[function], self._sent[function]
        self._files.pop(function, None)
        return function

    def end_task(self, function: int) -> int | None:
        """A future that used it is over. Returns what is to be released, if anything."""
        self._uses[function] -= 1
        if self._uses[function]:
            return None
        if not self._files.get(function):  # else memory would wait for a call that may never come
            self._resting[function] = None
            if len(self._resting) <= _KEPT:
                return None
            function = next(iter(self._resting))
            del self._resting[function]
        key = _key(self._sent[function])
        if self._of_tasks.get(key) == function:
            del self._of_tasks[key]
        return self.end_map(function)


def _key(function: Function) -> _Key:
    return (
        function.payload,
        function.rng,
        function.own_seeds,
        function.limit,
        function.blobs,
        function.level,
        function.live,
        function.levels,
    )
