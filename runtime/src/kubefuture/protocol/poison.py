"""The report of an element that was given up, as the payload of its Failure (R19)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .away import loaded

ARGUMENT_BYTES = 64 << 10
"""Larger arguments are not part of a report."""


class Strike(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One death of a slot that an element is to blame for.

    Attributes:
        reason: How the slot ended, for people.
        host: Where.
        output: The last lines that it had printed on the element.
    """

    reason: str
    host: str
    output: str


class PoisonReport(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why an element was given up, for whoever may unpickle its arguments.

    Attributes:
        deaths: How many slots it ended.
        losses: How often it was lost with its slot or worker, without being to blame.
        strikes: The deaths in order, or only the latest: a scheduler that was started anew knows no others.
        arguments: The element's packed arguments, empty when they are too large.
        own_seeds: They begin with a packed root of the element's own.
        bare: They are the one argument itself.
    """

    deaths: int
    losses: int
    strikes: tuple[Strike, ...] = ()
    arguments: bytes = b""
    own_seeds: bool = False
    bare: bool = False


encode_report: Callable[[PoisonReport], bytes] = msgspec.msgpack.Encoder(enc_hook=loaded).encode
"""A report as a payload."""

decode_report: Callable[[bytes], PoisonReport] = msgspec.msgpack.Decoder(PoisonReport).decode
"""The report in a payload; raises msgspec.DecodeError when it holds none."""
