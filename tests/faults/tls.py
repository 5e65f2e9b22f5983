"""A cluster that is reached by TLS, and servers that only pretend to be one."""

from __future__ import annotations

import dataclasses
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from kubefuture.core.certificate import make_certificate, server_context
from kubefuture.core.connection import Connection

from .ports import free_port
from .programs import Cluster, Program
from .waiting import LIMIT


def write_pair(folder: Path, certificate: str, key: str) -> tuple[Path, Path]:
    """Writes certificate and key as a scheduler wants them."""
    paths = folder / "certificate.pem", folder / "key.pem"
    for path, content in zip(paths, (certificate, key), strict=True):
        path.write_text(content)
        path.chmod(0o600)
    return paths


class TlsCluster(Cluster):
    """A cluster whose scheduler listens at a port of 127.0.0.1.

    Args:
        slots: How many.
        local: Whether it listens at its Unix socket as well.
        host: Where it is reached, if it is to listen everywhere.

    Attributes:
        connection: Leads to the port, once the scheduler has started.
        own: The connection file of the scheduler itself.
        port: The scheduler's, which stays the same when it is started again.
    """

    def __init__(self, slots: int = 2, *, local: bool = False, host: str = "") -> None:
        super().__init__(slots)
        self._place, self._listen = host or "127.0.0.1", "[::]" if host else "127.0.0.1"
        certificate, key = make_certificate()
        self.pair = write_pair(self.folder, certificate, key)
        self.own = self.folder / "own.json"
        self.port = free_port()
        address = f"unix:{self.socket}" if local else "tcp:127.0.0.1:1"
        Connection("test", "local", address, secrets.token_hex(32), certificate).save(self.own)

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        """Starts a program without waiting for what it says."""
        if role != "scheduler":
            return super().program(role, *arguments, **changes)
        own = [
            "--connection", str(self.own), "--listen", f"{self._listen}:{self.port}",
            "--tls-certificate", str(self.pair[0]), "--tls-key", str(self.pair[1]),
        ]  # fmt: skip
        return super().program(role, *own, *arguments, **changes)

    def start_scheduler(self) -> None:
        """Starts a scheduler, anew at the same port after it was killed."""
        super().start_scheduler()
        assert self.scheduler is not None
        found = re.findall(rf"tcp:{re.escape(self._listen)}:(\d+)", self.scheduler.text())
        self.port = int(found[-1])
        self.reachable_at(f"tcp:{self._place}:{self.port}")

    def reachable_at(self, address: str) -> None:
        """Writes the connection file of workers and clients."""
        dataclasses.replace(Connection.load(self.own), address=address).save(self.connection)


class Impostor:
    """Listens with some certificate and answers every connection in some way.

    Args:
        folder: For its files.
        pair: Certificate and key, or None to do without TLS.
        answer: Talks to one connection.

    Attributes:
        address: Where it is.
        heard: What was sent to it after TLS, or without it.
        met: How many connections it has had.
    """

    def __init__(
        self, folder: Path, pair: tuple[str, str] | None, answer: Callable[[socket.socket, Impostor], None]
    ) -> None:
        self._tls = server_context(*write_pair(folder, *pair)) if pair else None
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = b""
        self.met = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def read(self, end: socket.socket) -> bytes:
        """Reads some of what is sent."""
        content = end.recv(1 << 16)
        self.heard += content
        return content

    def close(self) -> None:
        """Listens no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LIMIT)

    def _serve(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            self.met += 1
            end.settimeout(LIMIT)
            with end:
                try:
                    if self._tls is None:
                        self._answer(end, self)
                    else:
                        with self._tls.wrap_socket(end, server_side=True) as inside:
                            self._answer(inside, self)
                except (ssl.SSLError, OSError):
                    pass  # whoever called has left

    def __enter__(self) -> Impostor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
