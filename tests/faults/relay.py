"""A way from pods to a checkpoint on the test's own machine, which no pod could reach otherwise.

    element ── its line ──> server in a pod ══ kubectl exec: lines of JSON ══> Relay, in the test ──> Checkpoint
            <── a word ───                                                                        <── a word

The pod runs this file, so it needs nothing but Python. One stream carries everything: a forward of kubectl would end at
the first connection that is broken off, as those of killed elements are.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

ELEMENTS = 7100
"""The pod's port for elements."""


class _Lines:
    """Writes lines of JSON from several threads."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._lock = file, threading.Lock()

    def write(self, number: int, text: str | None) -> None:
        with self._lock:
            self._file.write(json.dumps([number, text]) + "\n")
            self._file.flush()


def _pass_on(link: socket.socket, number: int, lines: _Lines) -> None:
    """Each line of a connection, and its end as None."""
    try:
        for text in link.makefile():
            lines.write(number, text)
    except OSError:
        pass
    lines.write(number, None)


def _give(link: socket.socket | None, text: str | None) -> None:
    if link is None:
        return
    try:
        if text is None:
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(text.encode())
    except OSError:
        pass  # the other side is gone, which its own thread tells


def _read(file: IO[str], link_of: Callable[[int], socket.socket | None]) -> None:
    for line in file:
        number, text = json.loads(line)
        _give(link_of(number), text)


def serve() -> None:
    """What the pod runs."""
    lines, links = _Lines(sys.stdout), dict[int, socket.socket]()
    server = socket.create_server(("0.0.0.0", ELEMENTS), backlog=64)
    threading.Thread(target=_read, args=(sys.stdin, links.get), daemon=True).start()
    lines.write(-1, "ready")
    number = 0
    while True:
        links[number] = server.accept()[0]
        threading.Thread(target=_pass_on, args=(links[number], number, lines), daemon=True).start()
        number += 1


class Relay:
    """The test's side.

    Args:
        command: What runs a shell command in the pod, `kubectl exec -i …`.
        port: The checkpoint's.
    """

    def __init__(self, command: Sequence[str], port: int) -> None:
        self._port = port
        self._links: dict[int, socket.socket] = {}
        code = Path(__file__).read_text(encoding="utf-8")
        self._process = subprocess.Popen(
            [*command, "python3", "-u", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the test
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._lines = _Lines(self._process.stdin)
        said = self._process.stdout.readline()
        assert "ready" in said, f"the relay said {said!r}"
        threading.Thread(
            target=_read, args=(self._process.stdout, self._link), name="relay", daemon=True
        ).start()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()

    def _link(self, number: int) -> socket.socket:
        """The connection to the checkpoint for one of the pod's."""
        if number not in self._links:
            link = self._links[number] = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=_pass_on, args=(link, number, self._lines), daemon=True).start()
        return self._links[number]


if __name__ == "__main__":
    serve()
