"""Blobs: large captured data that travels apart from the function that captured it (R26).

Whoever lacks a blob asks for a range of its bytes, and asks for the next one while the first arrives. So
no more is on the way than was asked for, and after a break it goes on at the byte where it stopped. These
messages are not counted by the resumable exchange: what was asked for and did not come is asked for again.

    worker ── BlobWanted ──> scheduler ── BlobWanted ──> client
    worker <── BlobPart … ── scheduler <── BlobPart … ── client
    BlobMissing, in any direction: it cannot be had

Before named work refers to a blob, that is on the scheduler's disk (R6)::

    client ── KeepBlob ──> scheduler ── BlobKept BlobRefused ──> client
"""

from __future__ import annotations

from typing import Any

import msgspec

from .greeting import Message


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a blob is called, and where it may be found.

    Attributes:
        digest: SHA-256 of its bytes.
        size: How many bytes it has.
        path: A file that programs on the same machine can map; empty where there is none.
        machine: Where the path counts; as in a Hello.
    """

    digest: bytes
    size: int
    path: str = ""
    machine: str = ""


class KeepBlob(Message, frozen=True):
    """Asks for a blob to be on disk before it is used; BlobKept or BlobRefused answers."""

    digest: bytes
    size: int


class BlobWanted(Message, frozen=True):
    """Asks for bytes from `start` up to `stop`."""

    digest: bytes
    start: int
    stop: int


class BlobPart(Message, frozen=True):
    """Bytes of a blob, from `start` on."""

    digest: bytes
    start: int
    content: bytes


class BlobKept(Message, frozen=True):
    """The scheduler has all of it on disk."""

    digest: bytes


class BlobRefused(Message, frozen=True):
    """The scheduler cannot keep it; `reason` is a sentence for the user."""

    digest: bytes
    reason: str


class BlobMissing(Message, frozen=True):
    """It cannot be had, or what was sent is not it; `reason` is for people."""

    digest: bytes
    reason: str


BlobMessage = BlobWanted | BlobPart | BlobMissing
"""What no exchange counts."""

_TYPES = frozenset({BlobWanted, BlobPart, BlobMissing})


def apart(messages: list[Any]) -> tuple[list[Any], list[BlobMessage]]:
    """Messages that the exchange counts, and those of blobs, which it does not."""
    for message in messages:
        if type(message) in _TYPES:
            break
    else:
        return messages, []
    counted = [message for message in messages if type(message) not in _TYPES]
    return counted, [message for message in messages if type(message) in _TYPES]
