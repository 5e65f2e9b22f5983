"""What an element printed, warned and logged: a part of its outcome's payload, in front of that.

A payload that carries some begins with a byte that neither a pickle nor msgpack ever begins with, so one that
carries none costs nothing. Schedulers and journals pass it on without looking inside, so it counts exactly when
its outcome does.
"""

from __future__ import annotations

import msgspec

_MARK = 0xC1
"""The one byte that msgpack leaves unused."""

_HEAD = 5

MOST_BYTES = 1 << 20
"""So much of each stream of an element is kept: as much of its beginning as of its end (R16)."""

MOST_EVENTS = 1000
"""So many warnings of an element are kept, and as many log records."""

MOST_REPEATS = 100
"""So often one warning is kept: the same text from the same line."""

NOTICE = b"\n[kubefuture: this element printed more than 1 MiB; what stood here was left out]\n"
"""What takes the place of the middle."""

LEFT_OUT = (
    b"[kubefuture: this element gave more than 1,000 warnings or log records; where most of them came from, "
    b"the rest was left out]\n"
)
"""What is added to stderr then."""


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A warning or a log record.

    Attributes:
        kind: `warning` or `log`.
        stdout: How much had been printed to stdout before, in bytes.
        stderr: The same of stderr.
        content: What it is, packed.
    """

    kind: str
    stdout: int
    stderr: int
    content: bytes


class Printed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one element printed, warned and logged.

    Attributes:
        stdout: What it and its children wrote there.
        stderr: The same.
        events: Its warnings and log records, in order.
        worker: Where: host and process id.
        lease: The lease with which it ran, 0 where there are none.
    """

    stdout: bytes
    stderr: bytes
    events: list[Event]
    worker: str
    lease: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Printed).decode


def wrap(printed: Printed, payload: bytes) -> bytes:
    """A payload that carries what was printed."""
    content = _encode(printed)
    return b"".join((bytes((_MARK,)), len(content).to_bytes(_HEAD - 1, "little"), content, payload))


def peel(payload: bytes) -> tuple[Printed | None, bytes]:
    """What a payload carries, if anything, and the payload itself."""
    if not payload or payload[0] != _MARK:
        return None, payload
    start = _HEAD + int.from_bytes(payload[1:_HEAD], "little")
    try:
        return _decode(payload[_HEAD:start]), payload[start:]
    except msgspec.DecodeError:
        return None, payload[start:]
