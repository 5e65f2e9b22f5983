"""Blobs: large captured data that travels apart from the function that captured it (R26).

Whoever lacks a blob asks for a range of its bytes, and asks for the next one while the first arrives. So
no more is on the way than was asked for, and after a break it goes on at the byte where it stopped. These
messages are not part of the resumable exchange: what was asked for and did not come is asked for again.

    worker ── BlobWanted ──> scheduler ── BlobWanted ──> client
    worker <── BlobPart … ── scheduler <── BlobPart … ── client
    scheduler ── BlobKept ──> client                      it is on disk, for named work (R6)
    scheduler ── BlobMissing ──> worker                   nobody has it any more
"""

from __future__ import annotations

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


class BlobMissing(Message, frozen=True):
    """It cannot be had; `reason` is a sentence for the user."""

    digest: bytes
    reason: str


BLOB_MESSAGES = frozenset({BlobWanted, BlobPart, BlobKept, BlobMissing})
"""What no exchange counts."""
