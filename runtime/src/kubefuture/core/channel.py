"""A stream socket that any thread may send on, while an event loop reads it.

Sending goes straight to the socket, without waking the loop's thread first: that is one thread switch
less on the way to a slot or scheduler. Whoever sends holds the host's lock.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

_READ = 1 << 16
"""Bytes a read; much larger ones cost an allocation from the system each (22 us against 2 us)."""


class Channel:
    """One socket.

    Args:
        loop: Reads it, in its thread.
        sock: Connected; it is made non-blocking and belongs to the channel from now on.
        on_data: Called in the loop's thread with what arrived.
        on_end: Called once in the loop's thread when the other side is gone.
        lock: The host's lock; whoever calls `send` holds it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
        lock: AbstractContextManager[object],
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._on_data = on_data
        self._on_end = on_end
        self._lock = lock
        self._unsent = bytearray()
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, content: bytes) -> None:
        """Sends what the socket takes now, and the rest as soon as it can. Nothing when the other side is gone."""
        if not self._unsent:
            try:
                sent = self._socket.send(content)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # gone; the reader finds out
            if sent == len(content):
                return
            content = content[sent:]
            self._loop.call_soon_threadsafe(self._watch_writable)
        self._unsent += content

    def drain(self) -> None:
        """The other side is known to be gone: delivers what it sent, then calls `on_end`.

        A socket's end is not always reported: not when a process that the other side forked still holds
        it, and not when the other side left something unread, for then libuv calls back once and no more.
        """
        while self._socket.fileno() >= 0:
            try:
                content = self._socket.recv(_READ)
            except OSError:  # also when there is nothing more to read
                content = b""
            self._take(content)

    def close(self) -> None:
        """Ends it, in the loop's thread; `on_end` is not called."""
        handle = self._socket.fileno()
        if handle >= 0:
            self._loop.remove_reader(handle)
            self._loop.remove_writer(handle)
            self._socket.close()

    def _watch_writable(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        with self._lock:
            try:
                sent = self._socket.send(self._unsent[: 1 << 18])
            except BlockingIOError:
                return
            except OSError:
                sent = len(self._unsent)  # gone; the reader finds out
            del self._unsent[:sent]
            if not self._unsent:
                self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        try:
            content = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        self._take(content)

    def _take(self, content: bytes) -> None:
        if content:
            self._on_data(content)
        else:
            self.close()
            self._on_end()
