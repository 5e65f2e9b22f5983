"""What a program shares with its elements: data whose digest is known for good, since nobody can change it (R27)."""

from __future__ import annotations

import weakref
from bisect import bisect_right

from .blobs import BlobFile

_starts: list[int] = []
_shared: dict[int, tuple[int, BlobFile]] = {}
"""By the address of a mapping: its end and its blob."""

_bytes: dict[int, tuple[bytes, BlobFile]] = {}
"""Bytes cannot be mapped, so those that are shared are kept for good, by their id."""


def is_sharing() -> bool:
    """Whether anything is shared."""
    return bool(_starts or _bytes)


def map_shared(file: BlobFile) -> memoryview:
    """A blob as read-only memory that will be known again, as long as anybody uses it."""
    mapping = file.map()
    view = memoryview(mapping)
    start = address_of(view)
    _starts.insert(bisect_right(_starts, start), start)
    _shared[start] = known = start + view.nbytes, file
    weakref.finalize(mapping, _forget, start, known).atexit = False
    return view


def share_bytes(file: BlobFile) -> bytes:
    """A blob as bytes that will be known again."""
    with file.map() as mapping:
        content = mapping[:]
    _bytes[id(content)] = content, file
    return content


def is_shared(file: BlobFile) -> bool:
    """Whether a blob is what the program shared."""
    return any(known is file for _, known in [*_shared.values(), *_bytes.values()])


def shared_part(value: memoryview | bytes | bytearray) -> tuple[BlobFile, int] | None:
    """The blob that some bytes are a part of, and where they begin there; None when they are not shared."""
    if not isinstance(value, memoryview):
        known = _bytes.get(id(value))
        return None if known is None or known[0] is not value else (known[1], 0)
    if not _starts:
        return None
    address = address_of(value)
    position = bisect_right(_starts, address) - 1
    if position < 0:
        return None
    start = _starts[position]
    end, file = _shared.get(start, (0, None))
    return (file, address - start) if file is not None and address + value.nbytes <= end else None


def _forget(start: int, known: tuple[int, BlobFile]) -> None:
    _starts.remove(start)
    if _shared.get(start) is known:  # else another mapping has the place by now
        del _shared[start]


def address_of(view: memoryview) -> int:
    """Where its bytes are."""
    import numpy

    return int(numpy.frombuffer(view, numpy.uint8).__array_interface__["data"][0])
