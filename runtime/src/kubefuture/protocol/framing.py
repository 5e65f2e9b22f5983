"""Messages as frames: four bytes of header, then at most 256 KiB of content (R16).

31      bit 31: the message goes on in the next frame
30..0   length of the content, in bytes, least significant byte first on the wire
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..errors import ProtocolError
from .limits import FRAME_BYTES, MESSAGE_BYTES
from .messages import AnyMessage, Message, decode, encode

_MORE = 1 << 31
_FEW = 4096


def frame(messages: Iterable[Message]) -> bytes:
    """Encodes messages into one run of frames.

    Args:
        messages: In the order in which they are to arrive.

    Returns:
        What to write to the socket.
    """
    parts: list[bytes] = []
    for message in messages:
        content = encode(message)
        length = len(content)
        if length > FRAME_BYTES:
            offset = 0
            while length - offset > FRAME_BYTES:
                parts.append((FRAME_BYTES | _MORE).to_bytes(4, "little"))
                parts.append(content[offset : offset + FRAME_BYTES])
                offset += FRAME_BYTES
            content = content[offset:]
            length = len(content)
        parts.append(length.to_bytes(4, "little"))
        parts.append(content)
    return b"".join(parts)


class Decoder:
    """Puts messages together from whatever pieces a socket delivers.

    Large parts of blobs pass through here: what comes in pieces is copied once, and their content not at all.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes | memoryview] = []
        self._arrived = 0
        self._needed = 4
        self._long = bytearray()

    @property
    def unfinished(self) -> bool:
        """Whether a part of a message has arrived, and not all of it."""
        return bool(self._pieces or self._long)

    def feed(self, data: bytes) -> list[AnyMessage]:
        """Takes what arrived.

        Args:
            data: Any number of bytes.

        Returns:
            The messages that are complete now, in order.

        Raises:
            ProtocolError: A frame or a message is longer than allowed, or not a message.
        """
        if self._pieces:
            self._pieces.append(data)
            self._arrived += len(data)
            if self._arrived < self._needed:
                return []
            data = b"".join(self._pieces)
            self._pieces.clear()
        messages: list[AnyMessage] = []
        view = memoryview(data)
        position, end = 0, len(data)
        while end - position >= 4:
            header = int.from_bytes(data[position : position + 4], "little")
            length = header & ~_MORE
            if length > FRAME_BYTES:
                raise ProtocolError(f"A frame of {length} bytes is longer than the allowed {FRAME_BYTES}.")
            start, position = position + 4, position + 4 + length
            if position > end:
                position = start - 4
                break
            content = view[start:position]
            if header & _MORE or self._long:
                self._long += content
                if len(self._long) > MESSAGE_BYTES:
                    raise ProtocolError(f"A message is longer than the allowed {MESSAGE_BYTES} bytes.")
                if header & _MORE:
                    continue
                content = memoryview(self._long)
                self._long = bytearray()
            try:
                messages.append(decode(content))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise ProtocolError(
                    f"A frame of {length} bytes is no message of this protocol: {error}."
                ) from None
        self._needed = 4
        if position < end:
            self._arrived = end - position
            # A few bytes must not keep much of what came before them.
            few = self._arrived < _FEW
            self._pieces.append(data[position:] if few else view[position:])
            if end - position >= 4:
                self._needed += int.from_bytes(view[position : position + 4], "little") & ~_MORE
        return messages
