"""The login: both sides prove that they know the token before anything else is read (R31).

Everything has a fixed length, so that nothing of a stranger's is ever decoded:

    server -> client   "kubefuture" version(2) nonce(32)
    client -> server   nonce(32) HMAC(token, "client" both nonces)(32)
    server -> client   HMAC(token, "server" both nonces)(32), or REFUSAL

The nonces are new for each connection, so a recorded login is worth nothing later. On a local socket
the messages after it are not encrypted: its folder is private to the user.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from ..errors import LoginError, VersionError
from .messages import PROTOCOL

_MAGIC = b"kubefuture"
_NONCE = 32
_PROOF = 32
_GREETING = len(_MAGIC) + 2 + _NONCE

REFUSAL = bytes(_PROOF)
"""What a server answers to a wrong proof, so that its client knows that from a broken connection."""


def _proof(key: bytes, role: bytes, server_nonce: bytes, client_nonce: bytes) -> bytes:
    return hmac.digest(key, role + server_nonce + client_nonce, hashlib.sha256)


class ServerLogin:
    """The side that was called.

    Attributes:
        greeting: What to send first.
        rest: Bytes that arrived after the client's proof, the first frames.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._nonce = secrets.token_bytes(_NONCE)
        self._buffer = b""
        self.greeting = _MAGIC + PROTOCOL.to_bytes(2, "little") + self._nonce
        self._finished = False
        self.rest = b""

    def finished(self) -> bool:
        """Whether the other side has proved itself."""
        return self._finished

    def feed(self, data: bytes) -> bytes:
        """Takes what arrived and returns what to send.

        Raises:
            LoginError: The client does not know the token.
        """
        self._buffer += data
        if len(self._buffer) < _NONCE + _PROOF:
            return b""
        nonce = self._buffer[:_NONCE]
        proof = self._buffer[_NONCE : _NONCE + _PROOF]
        if not hmac.compare_digest(proof, _proof(self._key, b"client", self._nonce, nonce)):
            raise LoginError("a connection did not prove that it knows the token")
        self.rest = self._buffer[_NONCE + _PROOF :]
        self._buffer = b""
        self._finished = True
        return _proof(self._key, b"server", self._nonce, nonce)


class ClientLogin:
    """The side that calls.

    Attributes:
        rest: Bytes that arrived after the server's proof, the first frames.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._nonce = secrets.token_bytes(_NONCE)
        self._expected = b""
        self._buffer = b""
        self._finished = False
        self.rest = b""

    def finished(self) -> bool:
        """Whether the other side has proved itself."""
        return self._finished

    def feed(self, data: bytes) -> bytes:
        """Takes what arrived and returns what to send.

        Raises:
            LoginError: The server does not know the token, or is no kubefuture.
            VersionError: It speaks another version of the protocol.
        """
        self._buffer += data
        answer = b""
        if not self._expected:
            if not self._buffer.startswith(_MAGIC[: len(self._buffer)]):
                raise LoginError("What answers there is no kubefuture scheduler.")
            if len(self._buffer) < _GREETING:
                return b""
            version = int.from_bytes(self._buffer[len(_MAGIC) : len(_MAGIC) + 2], "little")
            if version != PROTOCOL:
                raise VersionError(
                    f"The scheduler speaks version {version} of the protocol, this side version {PROTOCOL}. "
                    "Run `make down` and `make up` in the project, so that both sides are of one version."
                )
            nonce = self._buffer[len(_MAGIC) + 2 : _GREETING]
            self._buffer = self._buffer[_GREETING:]
            self._expected = _proof(self._key, b"server", nonce, self._nonce)
            answer = self._nonce + _proof(self._key, b"client", nonce, self._nonce)
        if len(self._buffer) >= _PROOF and not self._finished:
            if self._buffer[:_PROOF] == REFUSAL:
                raise LoginError(
                    "The scheduler does not accept the token of the connection file. "
                    "Run `make down` and `make up` in the project to get a new one."
                )
            if not hmac.compare_digest(self._buffer[:_PROOF], self._expected):
                raise LoginError(
                    "The scheduler did not prove that it knows the token of the connection file. "
                    "Run `make down` and `make up` in the project to get a new one."
                )
            self.rest = self._buffer[_PROOF:]
            self._buffer = b""
            self._finished = True
        return answer
