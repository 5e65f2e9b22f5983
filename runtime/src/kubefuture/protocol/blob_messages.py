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

from typing import Annotated, Any

import msgspec

from .greeting import Message

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""SHA-256 of a blob's bytes."""

Offset = Annotated[int, msgspec.Meta(ge=0, lt=1 << 60)]
"""A number of bytes."""


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a blob is called, and where it may be found.

    Attributes:
        digest: SHA-256 of its bytes.
        size: How many bytes it has.
        path: A file that programs on the same machine can map; empty where there is none.
        machine: Where the path counts; as in a Hello.
        inode: The file that the path leads to as long as it is this blob, since a program's descriptors are used
            again for other data; 0 where a path is never used again.
        problem: Why it is nowhere, for people; else empty.
    """

    digest: Digest
    size: Offset
    path: str = ""
    machine: str = ""
    inode: int = 0
    problem: str = ""


class KeepBlob(Message, frozen=True):
    """Asks for a blob to be on disk before it is used; BlobKept or BlobRefused answers."""

    digest: Digest
    size: Offset


class BlobWanted(Message, frozen=True):
    """Asks for bytes from `start` up to `stop`."""

    digest: Digest
    start: Offset
    stop: Offset


class BlobPart(Message, frozen=True):
    """Bytes of a blob, from `start` on. What arrived lies in the bytes that it came with."""

    digest: Digest
    start: Offset
    content: memoryview


class BlobKept(Message, frozen=True):
    """The scheduler has all of it on disk."""

    digest: Digest


class BlobRefused(Message, frozen=True):
    """The scheduler cannot keep it; `reason` is a sentence for the user."""

    digest: Digest
    reason: str


class BlobMissing(Message, frozen=True):
    """It cannot be had, or what was sent is not it; `reason` is for people."""

    digest: Digest
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
