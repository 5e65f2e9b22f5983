"""A lease as a record of fixed length, as a supervisor gives it to a slot."""

from __future__ import annotations

from ..protocol.messages import Lease, decode_lease, encode_lease

RECORD_BYTES = 256
"""Every record has this length, so that any number of them is one write, and each read gets a whole one."""


def pack_record(lease: Lease) -> bytes | None:
    """A lease as a record, or None when it is too long for one."""
    content = encode_lease(lease)
    if len(content) > RECORD_BYTES - 2:
        return None
    return (len(content).to_bytes(2, "little") + content).ljust(RECORD_BYTES, b"\0")


def unpack_record(record: bytes) -> Lease:
    """The lease in a record."""
    return decode_lease(record[2 : 2 + int.from_bytes(record[:2], "little")])
