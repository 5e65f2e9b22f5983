"""A stream socket that any thread may send on, while an event loop reads it.

Sending goes straight to the socket, without waking the loop's thread first: that is one thread switch
less on the way to a slot or scheduler. Whoever sends holds the host's lock.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from .forks import abandon_in_forks
from .receiver import Receiver

_READ = 1 << 16
"""Bytes a read; much larger ones cost an allocation from the system each (22 us against 2 us)."""


class Channel:
    """One socket.

    Args:
        loop: Reads it, in its thread.
        sock: Connected; it is made non-blocking and belongs to the channel from now on.
        on_data: Called with what arrived.
        on_end: Called once in the loop's thread when the other side is gone.
        lock: The host's lock; whoever calls `send` holds it, and so does `on_data`.
        receiver: Reads it instead of the loop, in any thread.
        on_room: Called in the loop's thread when all that had to wait was sent; the lock is held.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
        lock: AbstractContextManager[object],
        receiver: Receiver | None = None,
        on_room: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._receiver = receiver
        self._socket = sock
        self._on_data = on_data
        self._on_end = on_end
        self._lock = lock
        self._on_room = on_room
        self._unsent = bytearray()
        sock.setblocking(False)
        if receiver is None:
            loop.add_reader(sock.fileno(), self._readable_in_loop)
        else:
            receiver.add(sock.fileno(), self._readable)
        abandon_in_forks(self)

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

    @property
    def backlog(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._unsent)

    def finish(self, seconds: float) -> None:
        """Sends what waits, for at most so long; before `close`."""
        with suppress(OSError), self._lock:
            self._socket.settimeout(seconds)
            self._socket.sendall(self._unsent)

    def drain(self) -> None:
        """The other side is known to be gone: delivers what it sent, then calls `on_end`.

        A socket's end is not always reported: not when a process that the other side forked still holds
        it, and not when the other side left something unread, for then libuv calls back once and no more.
        """
        with self._lock:
            while self._socket.fileno() >= 0:
                try:
                    content = self._socket.recv(_READ)
                except OSError:
                    break
                if not content:
                    break
                self._on_data(content)
        self._end()

    def close(self) -> None:
        """Ends it, in the loop's thread; `on_end` is not called."""
        with self._lock:  # a thread that sends must not find another socket under the same number
            handle = self._socket.fileno()
            if handle < 0:
                return
            if self._receiver is None:
                self._loop.remove_reader(handle)
            else:
                self._receiver.remove(handle)
            self._loop.remove_writer(handle)
            self._socket.close()
            # Whoever listened also knows this channel. Apart, both are freed at once, not when garbage is collected.
            self._on_data, self._on_end = _ignore, _nothing

    def abandon(self) -> None:
        """In a fork of the program: the socket is the parent's."""
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
                if self._on_room is not None:
                    self._on_room()

    def _readable_in_loop(self) -> None:
        with self._lock:
            self._readable()

    def _readable(self) -> None:
        """Reads everything. The lock is held."""
        while True:
            try:
                content = self._socket.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                content = b""
            if not content:
                break
            self._on_data(content)
            if len(content) < _READ:
                return
        if self._receiver is not None:
            self._receiver.remove(self._socket.fileno())
            self._loop.call_soon_threadsafe(self._end)
        else:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        if self._socket.fileno() >= 0:
            on_end = self._on_end
            self.close()
            on_end()


def _ignore(_content: bytes) -> None:
    """What nobody waits for any more."""


def _nothing() -> None:
    """The end that nobody waits for any more."""
