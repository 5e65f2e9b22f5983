"""The inputs of a map: read, counted and packed in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

from ..core import rng
from ..core.blobs import BlobFile
from ..core.elements import with_own_seed
from ..core.packing import pack_element
from ..core.scalars import NUMBERS, pack_numbers, pack_scalar
from ..errors import PlanError

_FIRST_BATCH, _BATCH = 64, 2048
"""A long map begins with few inputs, so that work starts at once. One of at most `_BATCH` elements that are at
hand is packed as a whole, so that nothing is sent if one of them cannot be."""

_READ_SECONDS = 0.005
"""What was read from slow inputs is sent after this long."""

_PACK_SECONDS, _WAIT_SECONDS = 0.5, 5.0
"""What was packed of inputs at hand is sent after so much of the processor's time, and after so much of the clock's:
other programs may have had the processor meanwhile, or packing may have to wait for something."""

_BATCH_BYTES = 16 << 20
"""What was packed is sent when it has more bytes than this."""

_AT_HAND = frozenset({list, tuple, range})
"""Inputs that need no time to be read."""


class Inputs:
    """What the elements of a map are called with.

    Args:
        iterables: As for the built-in `map`, at least one.
        seed: The map's option: the roots of the elements are in it if it is a list.

    Attributes:
        total: How many elements there are, None where nobody knows before the end.
        bare: There is one iterable, so that its values are packed alone.
        read: How many elements were read.
        exhausted: There are no more.
        shared: The blobs that elements refer to, by digest.

    Raises:
        PlanError: The list of seeds has another length.
    """

    def __init__(self, iterables: tuple[Iterable[Any], ...], seed: Any) -> None:
        self.total = _length(iterables)
        self.bare = len(iterables) == 1
        self.read = 0
        self.exhausted = False
        self.shared: dict[bytes, BlobFile] = {}
        self._roots = rng.roots_of(seed) if rng.is_list(seed) else None
        if self._roots is not None and self.total is not None and len(self._roots) != self.total:
            raise PlanError(f"seed has {len(self._roots)} entries, but the map has {self.total} elements.")
        self._left: Iterator[tuple[int, tuple[Any, ...]]] = enumerate(zip(*iterables, strict=False))
        self._numbers: Sequence[Any] | None = None
        at_hand = all(type(iterable) in _AT_HAND for iterable in iterables)
        self._as_a_whole = at_hand and self.total is not None and self.total <= _BATCH
        if self.bare and self._roots is None and at_hand:
            self._numbers = cast("Sequence[Any]", iterables[0])

    def each(self) -> Iterator[tuple[int, bytes]]:
        """Reads one input after the other: its index and packed arguments."""
        for index, args in self._left:
            payload = self._packed(index, args)
            self.read += 1
            yield index, payload
        self._check_seeds()

    def next(self, most: int | None = None) -> list[bytes]:
        """The next inputs, packed: few where reading them takes long.

        Args:
            most: At most so many, at least 1.

        Raises:
            UnpicklableError: One cannot be packed.
            PlanError: The list of seeds has another length.
        """
        count = _FIRST_BATCH if self.read == 0 and (self.total is None or self.total > _BATCH) else _BATCH
        if most is not None:
            count = min(count, most)
        payloads = self._next_numbers(count)
        if payloads is None:
            payloads = self._next_of_any_kind(count)
        self.read += len(payloads)
        if self.exhausted:
            self._check_seeds()
        return payloads

    def pack(self, rows: list[tuple[Any, ...]], *, last: bool) -> list[bytes]:
        """Packs inputs that somebody else has read.

        Args:
            rows: The arguments of the next elements.
            last: No more will come.

        Raises:
            UnpicklableError: One cannot be packed.
            PlanError: The list of seeds has another length.
        """
        payloads = [self._packed(index, row) for index, row in enumerate(rows, self.read)]
        self.read += len(rows)
        self.exhausted = last
        if last:
            self._check_seeds()
        return payloads

    def _next_numbers(self, count: int) -> list[bytes] | None:
        """Packs the next inputs all at once, as long as they are numbers that are at hand."""
        numbers, total = self._numbers, self.total
        if numbers is None or total is None:
            return None
        stop = min(self.read + count, total)
        payloads = pack_numbers(numbers[self.read : stop])
        if payloads is None:
            self._numbers = None
            self._left = islice(self._left, self.read, None)
        else:
            self.exhausted = stop == total or len(numbers) <= stop
        return payloads

    def _next_of_any_kind(self, count: int) -> list[bytes]:
        is_time = self._timer()
        payloads: list[bytes] = []
        size = 0
        for index, args in self._left:
            payload = self._packed(index, args)
            payloads.append(payload)
            size += len(payload)
            if len(payloads) == count or size > _BATCH_BYTES or is_time():
                self.exhausted = index + 1 == self.total
                break
        else:
            self.exhausted = True
        return payloads

    def _timer(self) -> Callable[[], bool]:
        """Says when what is packed so far has to be sent."""
        until = time.monotonic() + _READ_SECONDS
        if not self._as_a_whole:
            return lambda: time.monotonic() > until
        worked, waited = time.thread_time() + _PACK_SECONDS, until + _WAIT_SECONDS
        return lambda: (now := time.monotonic()) > until and (time.thread_time() > worked or now > waited)

    def _packed(self, index: int, args: tuple[Any, ...]) -> bytes:
        quick = self.bare and type(args[0]) in NUMBERS
        payload = (
            pack_scalar(args[0]) if quick else pack_element(args, None, index, self.shared, bare=self.bare)
        )
        if self._roots is None:
            return payload
        if index >= len(self._roots):
            raise PlanError(f"seed has {len(self._roots)} entries, but the map has more elements.")
        return with_own_seed(self._roots[index], payload)

    def _check_seeds(self) -> None:
        if self._roots is not None and len(self._roots) != self.read:
            raise PlanError(f"seed has {len(self._roots)} entries, but the map has {self.read} elements.")


def _length(iterables: tuple[Iterable[Any], ...]) -> int | None:
    try:
        return min(len(iterable) for iterable in iterables)  # type: ignore[arg-type]
    except TypeError:
        return None
