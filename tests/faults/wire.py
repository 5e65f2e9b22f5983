"""A wire that can be cut: it carries bytes between a client or a worker and the real scheduler."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from kubefuture.core.connection import Connection
from kubefuture.protocol.framing import Decoder
from kubefuture.protocol.messages import AnyMessage, BlobPart

CLIENT_LOGIN, SERVER_LOGIN = 64, 76
"""How many bytes of a connection are the login, each way."""


class Wire:
    """Listens beside a scheduler and passes everything on, until it is cut.

    Args:
        connection: The scheduler's connection file.
        folder: For the wire's own socket and connection file, by default beside the scheduler's.

    Attributes:
        connection: The connection file that leads through the wire.
        carried: How many connections it has carried.
        bytes_to_scheduler: How many bytes it has carried there.
        bytes_from_scheduler: How many back.
    """

    def __init__(self, connection: Path, folder: Path | None = None) -> None:
        original = Connection.load(connection)
        self._target = original.socket_path
        path = (folder or connection.parent) / "wire"
        self.connection = path.with_suffix(".json")
        dataclasses.replace(original, address=f"unix:{path}").save(self.connection)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._parted = False
        self.carried = 0
        self.bytes_to_scheduler = self.bytes_from_scheduler = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cuts everything that is connected. New connections are carried again."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            _hang_up(end)

    def part(self) -> None:
        """Cuts everything, and carries nothing until it is mended."""
        self._parted = True
        self.cut()

    def mend(self) -> None:
        """Carries new connections again."""
        self._parted = False

    def close(self) -> None:
        """Cuts, and carries nothing any more."""
        _hang_up(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._parted:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends += [near, far]
                self.carried += 1
            for source, target, take in ((near, far, self._up()), (far, near, self._down())):
                threading.Thread(
                    target=self._carry, args=(source, target, source is near, take), daemon=True
                ).start()

    def _carry(
        self, source: socket.socket, target: socket.socket, to_scheduler: bool, take: Callable[[bytes], None]
    ) -> None:
        try:
            while content := source.recv(1 << 16):
                take(content)
                target.sendall(content)
                if to_scheduler:
                    self.bytes_to_scheduler += len(content)
                else:
                    self.bytes_from_scheduler += len(content)
        except OSError:
            pass
        _hang_up(source)
        _hang_up(target)

    def _up(self) -> Callable[[bytes], None]:
        """What looks at what goes to the scheduler over one connection."""
        return lambda _: None

    def _down(self) -> Callable[[bytes], None]:
        """What looks at what comes from there."""
        return lambda _: None

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Meter(Wire):
    """A wire that reads along, counts the bytes of blobs, and can stop in the middle of them.

    Attributes:
        starts: Where the parts of blobs began that it has carried, whichever way, in order.
        parts: How many bytes of blobs it has carried.
        messages: The messages that came from the scheduler, parts of blobs without their content.
    """

    def __init__(self, connection: Path, folder: Path | None = None) -> None:
        self.starts: list[int] = []
        self.parts = 0
        self.messages: list[AnyMessage] = []
        self._limit = 1 << 60
        self._moved = threading.Condition()
        self.stopped = False
        super().__init__(connection, folder)

    def stop_at(self, parts: int) -> None:
        """Carries nothing any more, in the way that blobs go, after so many more bytes of them."""
        with self._moved:
            self._limit = self.parts + parts

    def go_on(self) -> None:
        """Carries everything again."""
        with self._moved:
            self._limit, self.stopped = 1 << 60, False
            self._moved.notify_all()

    def _up(self) -> Callable[[bytes], None]:
        return self._reader(CLIENT_LOGIN, [])

    def _down(self) -> Callable[[bytes], None]:
        return self._reader(SERVER_LOGIN, self.messages)

    def _reader(self, login: int, kept: list[AnyMessage]) -> Callable[[bytes], None]:
        decoder, skipped, has_parts = Decoder(), 0, False

        def read(content: bytes) -> None:
            nonlocal skipped, has_parts
            rest = content[max(0, login - skipped) :]
            skipped += len(content)
            for message in decoder.feed(rest):
                if isinstance(message, BlobPart):
                    has_parts = True
                    with self._moved:
                        self.starts.append(message.start)
                        self.parts += len(message.content)
                    message = BlobPart(message.digest, message.start, b"")
                kept.append(message)
            with self._moved:
                while has_parts and self.parts >= self._limit:
                    self.stopped = True
                    self._moved.wait()

        return read


def _hang_up(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
