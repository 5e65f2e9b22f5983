"""A wire that can be cut: it carries bytes between a client and the real scheduler."""

from __future__ import annotations

import dataclasses
import socket
import threading
from pathlib import Path
from types import TracebackType

from kubefuture.core.connection import Connection


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
            for source, target in ((near, far), (far, near)):
                threading.Thread(
                    target=self._carry, args=(source, target, source is near), daemon=True
                ).start()

    def _carry(self, source: socket.socket, target: socket.socket, to_scheduler: bool) -> None:
        try:
            while content := source.recv(1 << 16):
                target.sendall(content)
                if to_scheduler:
                    self.bytes_to_scheduler += len(content)
                else:
                    self.bytes_from_scheduler += len(content)
        except OSError:
            pass
        _hang_up(source)
        _hang_up(target)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _hang_up(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
