"""Sends what is asked for of blobs over one connection, a part at a time: what is urgent goes between them (R16)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..protocol.messages import BlobMissing, BlobPart, BlobWanted, Message
from .settings import BLOB_PART


class Lane:
    """The data lane of one connection.

    Args:
        send: Writes messages to the connection.
        read: Returns bytes of a blob, fewer or none if they are not there yet, None if nobody has it.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Message]], None],
        read: Callable[[bytes, int, int], bytes | None],
    ) -> None:
        self._send = send
        self._read = read
        self._ranges: dict[bytes, tuple[int, int]] = {}
        self._paused = False

    def want(self, message: BlobWanted) -> None:
        """The other side asks for a range: one that follows what it asked for before, or another one instead."""
        before = self._ranges.get(message.digest)
        start = before[0] if before is not None and before[1] == message.start else message.start
        self._ranges[message.digest] = start, message.stop
        self.pump()

    def pause(self, *, paused: bool) -> None:
        """The connection's buffer is full, or has room again."""
        self._paused = paused
        if not paused:
            self.pump()

    def pump(self) -> None:
        """Sends what can be sent now; call it again when more of a blob is there. Blobs take turns."""
        sent = True
        while sent and self._ranges:
            sent = False
            for digest, (start, stop) in list(self._ranges.items()):
                if self._paused:
                    return
                content = self._read(digest, start, min(stop, start + BLOB_PART))
                if content:
                    self._send([BlobPart(digest, start, memoryview(content))])
                    start += len(content)
                    sent = True
                if content is None:
                    self._send([BlobMissing(digest, "it is not there any more")])
                if content is None or start >= stop:
                    del self._ranges[digest]
                else:
                    self._ranges[digest] = start, stop
