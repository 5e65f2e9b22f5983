"""The login (R31): both sides prove that they know the token, and nothing is decoded before."""

from __future__ import annotations

import secrets

import pytest
from kubefuture.errors import LoginError, VersionError
from kubefuture.protocol.auth import REFUSAL, ClientLogin, ServerLogin
from kubefuture.protocol.messages import PROTOCOL

KEY = bytes(range(32))


def talk(client: ClientLogin, server: ServerLogin, size: int = 1000) -> None:
    """Carries what both say, in pieces."""
    to_client, to_server = server.greeting, b""
    while not (client.finished() and server.finished()):
        for start in range(0, len(to_client), size):
            to_server += client.feed(to_client[start : start + size])
        to_client = b""
        for start in range(0, len(to_server), size):
            to_client += server.feed(to_server[start : start + size])
        to_server = b""


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_both_sides_with_the_token_get_in_however_the_bytes_arrive(size):
    client, server = ClientLogin(KEY), ServerLogin(KEY)
    talk(client, server, size)
    assert client.finished() and server.finished()
    assert client.rest == server.rest == b""


def test_what_follows_the_login_is_kept():
    client, server = ClientLogin(KEY), ServerLogin(KEY)
    answer = server.feed(client.feed(server.greeting) + b"first frame")
    assert server.rest == b"first frame"
    client.feed(answer + b"second frame")
    assert client.finished() and client.rest == b"second frame"


def test_a_client_with_another_token_is_refused():
    client, server = ClientLogin(secrets.token_bytes(32)), ServerLogin(KEY)
    with pytest.raises(LoginError, match="did not prove"):
        server.feed(client.feed(server.greeting))
    assert not server.finished()


def test_a_server_with_another_token_is_refused():
    """The client unpickles results, so it must know whom it talks to (R32)."""

    class Liar(ServerLogin):
        def feed(self, data):
            return secrets.token_bytes(32)

    client, server = ClientLogin(KEY), Liar(secrets.token_bytes(32))
    with pytest.raises(LoginError, match="make up"):
        client.feed(server.feed(client.feed(server.greeting)))
    assert not client.finished()


def test_a_refusal_is_told_from_a_wrong_proof():
    client = ClientLogin(KEY)
    client.feed(ServerLogin(KEY).greeting)
    with pytest.raises(LoginError, match=r"does not accept the token.*make up"):
        client.feed(REFUSAL)


def test_a_recorded_login_is_worth_nothing_later():
    client, server = ClientLogin(KEY), ServerLogin(KEY)
    recorded = client.feed(server.greeting)
    server.feed(recorded)
    with pytest.raises(LoginError):
        ServerLogin(KEY).feed(recorded)


def test_a_server_cannot_pass_with_the_clients_own_proof():
    client = ClientLogin(KEY)
    said = client.feed(ServerLogin(KEY).greeting)
    with pytest.raises(LoginError):
        client.feed(said[-32:])


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request", b"k\0befuture" + b"\0" * 40, b"\0"])
def test_a_server_that_is_none_of_ours_is_recognised(garbage):
    with pytest.raises(LoginError, match="no kubefuture scheduler"):
        ClientLogin(KEY).feed(garbage)


def test_another_version_of_the_protocol_says_so_before_any_secret_is_used():
    greeting = bytearray(ServerLogin(KEY).greeting)
    greeting[10:12] = (PROTOCOL + 1).to_bytes(2, "little")
    with pytest.raises(VersionError, match=rf"version {PROTOCOL + 1} .* version {PROTOCOL}"):
        ClientLogin(KEY).feed(bytes(greeting))
