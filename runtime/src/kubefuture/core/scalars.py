"""Numbers and text as bytes: msgpack, which takes a fifth of a pickle's time and keeps every bit.

A pickle of protocol 2 or later begins with 0x80. The msgpack of what is packed here never does (that would be
an empty map), so a payload's first byte says which of both it is.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import msgspec

NUMBERS = frozenset({int, float, bool, type(None)})
"""Types whose packed form is always short."""

PICKLED = 0x80
"""The first byte of a pickle."""

BARE = NUMBERS | {str, bytes}
"""Types that are no pickle at all, if they are alone. Nobody can change them; no code and no large data is inside."""

encode = msgspec.msgpack.Encoder().encode
"""Packs one of BARE; OverflowError for an integer of more than 64 bits, ValueError for half a surrogate
pair, both of which `pack_scalar` packs, too."""

decode = msgspec.msgpack.Decoder().decode
"""The reverse."""


def pack_scalar(value: Any) -> bytes:
    """Packs one of BARE."""
    try:
        return encode(value)
    except (OverflowError, ValueError):
        return pickle.dumps(value, protocol=5)


def pack_numbers(values: Sequence[Any]) -> list[bytes] | None:
    """Packs values one by one, if all are NUMBERS."""
    if not NUMBERS.issuperset(map(type, values)):
        return None
    try:
        return list(map(encode, values))
    except OverflowError:
        return list(map(pack_scalar, values))


def unpack(payload: bytes) -> Any:
    """The object in a packed element or result."""
    return pickle.loads(payload) if payload[0] == PICKLED else decode(payload)


def unpack_all(payloads: Sequence[bytes]) -> list[Any]:
    """The objects in packed elements or results."""
    loads = pickle.loads
    return [loads(payload) if payload[0] == PICKLED else decode(payload) for payload in payloads]
