"""What a slot has finished and not sent yet (R14)."""

from __future__ import annotations

import os
import socket
import threading
import time

from ..core.settings import HANDOVER_SECONDS
from ..protocol.framing import frame
from ..protocol.messages import Done, Message, Part, Raised


class Handover:
    """Finished results that have not been sent yet.

    Attributes:
        waiting: The latest of them, always the same list: who runs elements appends to it, which needs no lock.
        last: When results were last sent, in seconds of `time.perf_counter`.
        watched: The thread looks after them.

    They are sent when 1 ms has passed since results last were, so that trivial elements share a write.
    A thread sends what would otherwise wait for a long element that follows a short one.
    """

    def __init__(self, data: socket.socket) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._parts: list[Part] = []
        self.waiting: list[bytes] = []
        self._lease = 0
        self._start = 0
        self._began = 0.0
        self.last = 0.0
        self._open = False
        self.watched = False
        self._waiting = threading.Lock()
        self._waiting.acquire()
        threading.Thread(target=self._watch, name="kubefuture-handover", daemon=True).start()

    @property
    def holds(self) -> bool:
        """Whether anything waits."""
        return bool(self._parts or self.waiting)

    def due(self) -> bool:
        """Whether it is time to send."""
        return time.perf_counter() - self.last >= HANDOVER_SECONDS

    def begin(self, lease: int, start: int) -> None:
        """Begins a lease."""
        self._lease, self._start = lease, start
        self._began = time.perf_counter()
        self._open = True

    def watch(self) -> None:
        """An element starts while results wait: if it is long, the thread sends them."""
        if not self.watched:
            with self._lock:
                self.watched = True
                if self._waiting.locked():
                    self._waiting.release()

    def raised(self, index: int, payload: bytes, *, end: bool, interrupted: bool) -> None:
        """Sends what is there and then a failure."""
        with self._lock:
            self._close_part(end=False)
            now = time.perf_counter()
            message = Raised(self._lease, index, payload, now - self._began, end, interrupted)
            self._write([message])
            self._start, self._began = index + 1, now
            if end:
                self._open = False

    def end(self) -> None:
        """The lease is over."""
        with self._lock:
            if self._open:
                self._open = False
                self._close_part(end=True)

    def flush(self) -> None:
        """Sends everything that waits."""
        with self._lock:
            self._close_part(end=False)
            if self._parts:
                self._write([])
            else:
                self.watched = False

    def send(self, messages: list[Message]) -> None:
        """Sends messages that have nothing to do with results."""
        with self._lock:
            self._write(messages)

    def _close_part(self, *, end: bool) -> None:
        count = len(self.waiting)
        if count or end:
            now = time.perf_counter()
            self._parts.append(Part(self._lease, self._start, self.waiting[:count], now - self._began, end))
            del self.waiting[:count]  # one may have been appended meanwhile
            self._start += count
            self._began = now

    def _write(self, messages: list[Message]) -> None:
        if self._parts:
            messages = [Done(self._parts), *messages]
            self._parts = []
        self.last = time.perf_counter()
        self.watched = False
        try:
            self._data.sendall(frame(messages))
        except OSError:
            os._exit(0)

    def _watch(self) -> None:
        while True:
            self._waiting.acquire()  # lighter than an Event
            while self.watched:
                time.sleep(HANDOVER_SECONDS)
                if self.watched and self.due():
                    self.flush()
                    if self.waiting:  # appended while that was still set, so nobody else sends it
                        self.watched = True
