"""A hundred thousand wrong frames and logins (R31): only the declared errors, and nothing decoded before the login.

Every case has a number from which all of it follows. One that fails prints how to run it alone:
FUZZ=decoder:123 .venv/bin/python -m pytest tests/runtime -k fuzz
"""

from __future__ import annotations

import hashlib
import hmac
from random import Random

from kubefuture.errors import LoginError, ProtocolError, VersionError
from kubefuture.protocol.auth import ClientLogin, ServerLogin
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.limits import FRAME_BYTES
from kubefuture.protocol.messages import (
    Message,
    encode,
)

from tests.runtime import fuzzing
from tests.runtime.fuzzing import bounded_memory, nonces  # noqa: F401 (fixtures)


def outcome(decoder: Decoder, contents: list[bytes]) -> tuple[list[Message], bool]:
    """The messages that are made of some bytes, and whether it ended in an error."""
    got: list[Message] = []
    for content in contents:
        try:
            got += decoder.feed(content)
        except ProtocolError:
            return got, True
        assert sum(map(len, decoder._pieces)) < FRAME_BYTES + 4
    return got, False


def test_r31_no_bytes_make_a_decoder_raise_anything_else(nonces):  # noqa: F811
    def case(rng: Random) -> None:
        content = fuzzing.frames(rng)
        got, failed = outcome(Decoder(), fuzzing.pieces(rng, content))
        whole, failed_too = outcome(Decoder(), [content])
        assert failed == failed_too
        if not failed:
            assert list(map(encode, got)) == list(map(encode, whole)), "it does not matter how they arrive"

    fuzzing.run("decoder", nonces, case)


def test_r31_every_message_passes_unchanged_in_good_hands():
    for kind in fuzzing.KINDS:
        for seed in range(20):
            rng = Random(f"{kind.__name__}:{seed}")
            sent = fuzzing.message(rng, [kind])
            got, failed = outcome(Decoder(), fuzzing.pieces(rng, frame([sent])))
            assert list(map(encode, got)) == [encode(sent)] and not failed


def test_r31_a_server_lets_in_only_who_proves_it(nonces):  # noqa: F811
    def case(rng: Random) -> None:
        login = ServerLogin(fuzzing.KEY)
        said = fuzzing.said_by_client(rng, login.greeting)
        fed = b""
        try:
            for piece in fuzzing.pieces(rng, said):
                login.feed(piece)
                fed += piece
                if login.finished():
                    break
                assert len(login._buffer) < fuzzing.LOGIN
        except LoginError:
            assert not login.finished() and not fuzzing.is_right(login.greeting, said)
            return
        assert login.finished() == fuzzing.is_right(login.greeting, said)
        if login.finished():
            assert login.rest == fed[fuzzing.LOGIN :]

    fuzzing.run("server", nonces, case)


def test_r32_a_client_accepts_only_who_proves_it(nonces):  # noqa: F811
    def case(rng: Random) -> None:
        login = ClientLogin(fuzzing.KEY)
        greeting = ServerLogin(fuzzing.KEY).greeting
        told = greeting if rng.random() < 0.7 else fuzzing.mutated(rng, greeting)
        answer, content = b"", told
        right = False
        try:
            answer = b"".join(login.feed(piece) for piece in fuzzing.pieces(rng, content))
            if len(answer) == fuzzing.LOGIN:
                content = fuzzing.proof(rng, b"server", told[12 : fuzzing.GREETING], answer[:32])
                expected = hmac.digest(
                    fuzzing.KEY, b"server" + told[12 : fuzzing.GREETING] + answer[:32], hashlib.sha256
                )
                right = (told[fuzzing.GREETING :] + content)[:32] == expected
                for piece in fuzzing.pieces(rng, content):
                    login.feed(piece)
        except (LoginError, VersionError):
            assert not right
            assert not login.finished()
            return
        assert login.finished() == right
        assert len(login._buffer) < fuzzing.GREETING + 32

    fuzzing.run("client", nonces, case)
