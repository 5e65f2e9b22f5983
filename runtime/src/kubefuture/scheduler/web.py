"""A page for browsers, on this machine alone: it is only read, over a few connections, for a short time each.

A forward of kubectl, or the project's own socket, is the way to it; both know who comes. What a web site elsewhere
could do from the same browser is stopped by the Host header, which it cannot choose, and by each answer's headers.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..errors import StartError
from .board import STUCK_SECONDS, Board
from .listening import listen_page

CONNECTIONS = 32
"""So many at a time."""

QUIET_SECONDS = 10.0
"""So long may a connection say or take nothing."""

LONGEST_SECONDS = 30.0
"""So long may it last altogether."""

TURN_SECONDS = 0.5
"""How often it is looked who has been here for too long."""

_SNAPSHOT_SECONDS = 5.0
_PAUSE = 0.5
_FILES = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HOST = re.compile(r"^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$", re.IGNORECASE)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def show(place: str, board: Board, log: Callable[[str], None]) -> None:
    """Shows the page; where that cannot be, work goes on without it.

    Args:
        place: Where: see `listen_page`.
        board: What is shown.
        log: Takes one line for the log.
    """
    try:
        Web(listen_page(place), board)
    except (StartError, OSError) as error:
        log(f"the page for browsers cannot be shown: {error}")
        return
    board.watch()
    log(f"the page for browsers is at {place}")


class _Handler(BaseHTTPRequestHandler):
    timeout = QUIET_SECONDS
    server: Web

    def do_GET(self) -> None:
        if not _HOST.match(self.headers.get("Host", "")):
            self._say(
                HTTPStatus.FORBIDDEN, "This page is for this machine alone: http://127.0.0.1 and its port."
            )
            return
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._health()
        elif path == "/status.json":
            snapshot = self.server.board.fetch(_SNAPSHOT_SECONDS)
            if snapshot is None:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, "The scheduler is too busy to answer; try again.")
            else:
                self._answer(HTTPStatus.OK, "application/json", snapshot)
        elif path in self.server.files:
            kind, content = self.server.files[path]
            self._answer(HTTPStatus.OK, kind, content)
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is / and /status.json, and /healthz.")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _health(self) -> None:
        silent = self.server.board.silent_seconds
        if silent < STUCK_SECONDS:
            self._say(HTTPStatus.OK, "ok")
        else:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"The scheduler has not moved for {silent:.0f} s.")

    def _say(self, status: HTTPStatus, words: str) -> None:
        self._answer(status, "text/plain", f"{words}\n".encode())

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no HTTP, or too long, or another method: the library says so with code 501."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "This page can only be read.")
        else:
            self._say(HTTPStatus(code), HTTPStatus(code).phrase)

    def version_string(self) -> str:
        return "kubefuture"

    def log_message(self, *arguments: Any) -> None:
        """Who looks is no event."""


class Web(ThreadingHTTPServer):
    """Serves the page in threads of its own, until the program ends.

    Args:
        listener: Bound and listening, on this machine alone; the server's own from now on.
        board: What is shown.
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, board: Board) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.board = board
        self.files = {
            f"/{'' if path.name == 'page.html' else path.name}": (_TYPES[path.suffix], path.read_bytes())
            for path in _FILES.iterdir()
        }
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        threading.Thread(
            target=self.serve_forever, args=(TURN_SECONDS,), name="kubefuture-web", daemon=True
        ).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; where no descriptor is left, the loop that asks must not turn without end."""
        try:
            return self.socket.accept()
        except OSError:
            time.sleep(_PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """One connection more, if there are not too many."""
        with self._lock:
            full = len(self._open) >= CONNECTIONS
            if not full:
                self._open[request] = time.monotonic()
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """One less."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Now and then: who takes too long is shown out."""
        until = time.monotonic() - LONGEST_SECONDS
        with self._lock:
            late = [request for request, since in self._open.items() if since < until]
        for request in late:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's trouble."""
