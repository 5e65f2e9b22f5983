"""Where connections come in: strangers get ten seconds, a place among few, and few lines in the log (R31).

    listening socket ── accept ──> TLS, if any ──> Peer: login ──> settled: the gate forgets it
                        at most 256 between accept and settled, and 10 s for each

Accepting is done here since asyncio counts no connection whose TLS is not agreed on yet, and since
uvloop stops listening for good when there is no file descriptor left.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from ..protocol.limits import LOGIN_SECONDS, STRANGERS
from .server import Server

if TYPE_CHECKING:
    import ssl

_PAUSE = 1.0
"""Seconds without accepting after there was no file descriptor or memory for a connection."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Gate:
    """Accepts the connections of one listening socket.

    Args:
        listener: Bound and listening; the gate's own from now on.
        server: Makes a peer of each connection.
        tls: For a network address.
    """

    def __init__(self, listener: socket.socket, server: Server, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._server = server
        self._tls = tls
        self._strangers: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Accepts nothing more, and ends whatever has not logged in."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._strangers:
            task.cancel()

    def _resume(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._server.strangers(f"cannot accept connections: {error.strerror}; trying again")
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_PAUSE, self._resume)
            return  # anything else concerns one connection, which has ended already
        if len(self._strangers) >= STRANGERS:
            sock.close()
            self._server.strangers(f"closed a connection, as {STRANGERS} others have not logged in yet")
            return
        task = self._loop.create_task(self._admit(sock))
        self._strangers.add(task)
        task.add_done_callback(self._strangers.discard)

    async def _admit(self, sock: socket.socket) -> None:
        peer = self._server.protocol()
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                if self._tls is None:
                    await self._loop.connect_accepted_socket(lambda: peer, sock)
                else:
                    await self._loop.connect_accepted_socket(
                        lambda: peer, sock, ssl=self._tls, ssl_handshake_timeout=LOGIN_SECONDS,
                        ssl_shutdown_timeout=LOGIN_SECONDS,
                    )  # fmt: skip
                await asyncio.shield(peer.settled)
        except TimeoutError:
            self._server.strangers(f"ended {peer.name}: it did not log in within {LOGIN_SECONDS:.0f} s")
        except OSError as error:
            if not str(error):
                return  # it said nothing of its own: somebody who only looks whether we listen, as Kubernetes does
            self._server.strangers(f"ended {peer.name} before its login: {error}")
        finally:
            if not peer.settled.done():
                peer.abort()
                sock.close()
