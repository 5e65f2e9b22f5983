"""A registry at a port of 127.0.0.1, as docker's own is one, with a token service and what goes wrong elsewhere."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
MANIFEST = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
PAGE = {"Content-Type": "text/html"}

DIGEST = "sha256:" + 64 * "1"
STUDY = "ann/study:1"


def basic(user: str, password: str) -> str:
    """A login as in HTTP and in the engines' files."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True)
class Asked:
    """A request that came.

    Attributes:
        method: HTTP's.
        host: Who was asked.
        path: Without the query.
        login: The header Authorization.
        query: Of the address, or of the form that was sent.
    """

    method: str
    host: str
    path: str
    login: str
    query: Mapping[str, str]


@dataclass
class Registry:
    """One that runs while it is entered.

    Attributes:
        images: Digests by `REPOSITORY:TAG`.
        wants: What it wants of everybody: nothing, "basic" or "bearer".
        ann: The password of its one user.
        refresh: The token that counts as a login at the token service.
        public: Whether everybody gets a token to look with.
        realm: Where the token service is, if elsewhere.
        greets: Whether `/v2/` is answered.
        headers: What each answer has.
        answers: Answers that differ, by method and path: code and headers.
        tls: For names that it is reached under as a proxy, what it shows for them.
        asked: What was asked so far.
    """

    images: dict[str, str] = field(default_factory=dict)
    wants: str = ""
    ann: str = "geheim"
    refresh: str = ""
    public: bool = False
    realm: str = ""
    greets: bool = True
    headers: dict[str, str] = field(default_factory=lambda: dict(VERSION))
    answers: dict[tuple[str, str], tuple[int, dict[str, str]]] = field(default_factory=dict)
    tls: dict[str, ssl.SSLContext] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Registry:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"of": self}))
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def about(self, method: str) -> list[Asked]:
        """The requests of one method about manifests."""
        return [one for one in self.asked if one.method == method and "/manifests/" in one.path]

    def told(self, one: Asked) -> tuple[int, dict[str, str], bytes]:
        """The answer: code, headers, content."""
        if (one.method, one.path) in self.answers:
            code, headers = self.answers[one.method, one.path]
            return code, headers, b""
        if one.path == "/token":
            return self._token(one)
        if one.path == "/v2/":
            return (401, self._challenge(), b"") if self.wants and not one.login else (self._greeting())
        repository, _, reference = one.path.removeprefix("/v2/").partition("/manifests/")
        if self.wants and not self._may(one, repository):
            return 401, self._challenge(), b""
        return self._manifest(one.method, repository, reference)

    def _greeting(self) -> tuple[int, dict[str, str], bytes]:
        return (200, self.headers, b"{}") if self.greets else (404, {}, b"")

    def _challenge(self) -> dict[str, str]:
        realm = self.realm or f"http://{self.host}/token"
        kinds = {"basic": 'Basic realm="x"', "bearer": f'Bearer realm="{realm}",service="registry of ann"'}
        return self.headers | {"WWW-Authenticate": kinds[self.wants]}

    def _may(self, one: Asked, repository: str) -> bool:
        if self.wants == "basic":
            return one.login == f"Basic {basic('ann', self.ann)}"
        needed = "delete" if one.method == "DELETE" else "pull"
        kind, _, token = one.login.partition(" ")
        place, _, rights = token.partition("|")
        return kind == "Bearer" and place == f"token-of:{repository}" and needed in rights.split(",")

    def _token(self, one: Asked) -> tuple[int, dict[str, str], bytes]:
        assert one.query["service"] == "registry of ann"
        _, repository, rights = one.query["scope"].split(":")
        if one.method == "POST":
            assert one.query["grant_type"] == "refresh_token" and one.query["client_id"]
            if not self.refresh or one.query["refresh_token"] != self.refresh:
                return 400, {}, b""
        elif one.login and one.login != f"Basic {basic('ann', self.ann)}":
            return 401, {}, b""
        elif not one.login:
            rights = "pull" if self.public else ""
        name = "access_token" if one.method == "POST" else "token"
        return (
            200,
            {"Content-Type": "application/json"},
            dumps({name: f"token-of:{repository}|{rights}"}).encode(),
        )

    def _manifest(self, method: str, repository: str, reference: str) -> tuple[int, dict[str, str], bytes]:
        name = f"{repository}:{reference}"
        if method == "DELETE":
            images = self.images.items()
            there = [key for key, digest in images if (key.split(":")[0], digest) == (repository, reference)]
            for key in there:
                del self.images[key]
            return (202 if there else 404), self.headers, b""
        if name not in self.images:
            return 404, self.headers, b""
        return 200, self.headers | MANIFEST | {"Docker-Content-Digest": self.images[name]}, b""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Registry

    def answer(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        query = {name: values[0] for name, values in parse_qs(sent or parts.query).items()}
        login = self.headers.get("Authorization", "")
        one = Asked(self.command, self.headers["Host"], parts.path, login, query)
        self.of.asked.append(one)
        code, headers, content = self.of.told(one)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_GET = do_POST = do_DELETE = answer

    def do_CONNECT(self) -> None:
        """As a proxy that leads to itself, whichever host is asked for."""
        self.send_response(200)
        self.end_headers()
        try:
            context = self.of.tls[self.path.split(":")[0]]
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:
            self.close_connection = True  # who asked does not believe it
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass
