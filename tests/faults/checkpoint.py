"""A point that elements reach and wait at, so that a test can act in the middle of them.

    element, in a slot ── "pid label" ──> Checkpoint, in the test
                       <── a word ─────── Visit.go

No test has to guess how long an element takes: it is at the checkpoint or it is not.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from types import TracebackType

from .waiting import LIMIT


def reach(port: int, label: object = "") -> str:
    """Called by an element: says that it is here, and waits until the test lets it go on.

    Args:
        port: The checkpoint's.
        label: Which element this is.

    Returns:
        The word that the test gave; empty when the checkpoint is gone.
    """
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(f"{os.getpid()} {label}\n".encode())
        return link.makefile().readline().strip()


class Visit:
    """An element that waits at a checkpoint.

    Attributes:
        pid: The slot's process.
        label: Which element it is.
    """

    def __init__(self, link: socket.socket) -> None:
        link.settimeout(LIMIT)
        self._link = link
        self._text = link.makefile()
        pid, _, self.label = self._text.readline().rstrip("\n").partition(" ")
        self.pid = int(pid)

    def go(self, word: str = "") -> None:
        """Lets the element go on."""
        try:
            self._link.sendall(f"{word}\n".encode())
        except OSError:
            pass  # its slot was killed
        self._link.close()

    def kill(self) -> None:
        """Kills the element's slot while it waits here, and returns when that is done."""
        os.kill(self.pid, signal.SIGKILL)
        self.left()

    def left(self) -> None:
        """Waits until the element is no longer there, because it was interrupted or killed."""
        try:
            assert self._text.readline() == ""
        except ConnectionResetError:
            pass
        self._link.close()


class Checkpoint:
    """Where elements stop.

    Args:
        limit: Seconds after which no further element is going to come.

    Attributes:
        port: What elements give to `reach`.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.settimeout(limit)
        self.port: int = self._listener.getsockname()[1]
        self._opened: threading.Thread | None = None

    def next(self) -> Visit:
        """Waits for the next element that gets here."""
        return Visit(self._listener.accept()[0])

    def take(self, visits: int) -> list[Visit]:
        """Waits until this many elements are here, in the order in which they came."""
        return [self.next() for _ in range(visits)]

    @property
    def anybody(self) -> bool:
        """Whether an element is here that was not taken yet; does not wait."""
        self._listener.settimeout(0)
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        finally:
            self._listener.settimeout(self._limit)
        return True

    def open(self) -> None:
        """Nobody is stopped any more."""

        def wave_through() -> None:
            while True:
                try:
                    link = self._listener.accept()[0]
                except OSError:
                    return
                with link, suppress(OSError, ValueError):  # one that has left already
                    Visit(link).go()

        self._listener.settimeout(None)
        self._opened = threading.Thread(target=wave_through, daemon=True)
        self._opened.start()

    def close(self) -> None:
        """The checkpoint is gone."""
        if self._opened is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._opened.join(LIMIT)
        self._listener.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
