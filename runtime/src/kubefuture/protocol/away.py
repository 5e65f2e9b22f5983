"""Bytes that are not in memory: something small stands for them until a message with them is encoded (R16).

Whoever puts bytes away puts an Away in their place, in a message or in the scheduler's state. Neither has to know:
its length is that of the bytes, and they are fetched in the moment in which they are written to a socket.
"""

from __future__ import annotations

import msgspec


class Away:
    """Stands for bytes, or for a whole encoded message."""

    __slots__ = ()

    def __len__(self) -> int:
        """How many bytes it stands for."""
        raise NotImplementedError

    def load(self) -> bytes | msgspec.Raw:
        """The bytes, or the message as it is encoded."""
        raise NotImplementedError


def loaded(value: object) -> bytes | msgspec.Raw:
    """What an encoder writes for a value that it does not know."""
    if isinstance(value, Away):
        return value.load()
    raise NotImplementedError(f"A {type(value).__name__} cannot be part of a message.")
