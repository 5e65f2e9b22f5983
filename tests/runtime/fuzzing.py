"""What fuzz tests feed: valid messages of every type with odd values, and what becomes of them in bad hands.

Everything is drawn from the generator that is passed in, so a case's number is enough to have it again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import resource
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from random import Random
from types import SimpleNamespace

import msgspec
import pytest
from kubefuture.protocol import auth, messages
from kubefuture.protocol.framing import frame
from kubefuture.protocol.messages import Message

KINDS: tuple[type[Message], ...] = typing.get_args(messages.AnyMessage)

KEY = bytes(range(32))
LOGIN = 64
GREETING = 44

NUMBERS = {"decoder": 40_000, "server": 20_000, "client": 20_000, "stranger": 12_000, "member": 8_000}
"""How many cases of each; 100,000 together."""

assert sum(NUMBERS.values()) == 100_000

ONLY = os.environ.get("FUZZ", "")


_ODD = (
    0,
    1,
    2,
    3,
    7,
    127,
    128,
    255,
    65536,
    2**31,
    2**32 - 1,
    2**53,
    2**63 - 1,
    2**64 - 1,
    -1,
    -128,
    -(2**63),
)
_TEXTS = ("", "client", "worker", "control", "x", "ü", "a\nb", "\0", "x" * 300, "3.11")
_HEADERS = (0, 1, 2**18, 2**18 + 1, 2**31 - 1, 2**31, 2**31 + 5, 2**32 - 1)


def message(rng: Random, kinds: Sequence[type[Message]] = KINDS) -> Message:
    """A valid message with values that nobody would choose."""
    made = _value(rng, rng.choice(kinds))
    assert isinstance(made, Message)
    return made


def _value(rng: Random, kind: object) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:  # as the protocol limits it
        limits: msgspec.Meta = arguments[1]
        if limits.min_length is not None:
            return rng.randbytes(limits.min_length)
        return rng.choice((0, 1, 5, 1 << 20, 1 << 40))
    if origin in (typing.Union, types.UnionType):
        return _value(rng, rng.choice(arguments))
    if origin in (list, tuple, set, frozenset):
        if origin is tuple and arguments[-1] is not Ellipsis:
            return tuple(_value(rng, one) for one in arguments)
        return origin(_value(rng, arguments[0]) for _ in range(rng.choice((0, 0, 1, 2, 5))))
    if origin is dict:
        return {_value(rng, arguments[0]): _value(rng, arguments[1]) for _ in range(rng.randrange(3))}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(*(_value(rng, one) for one in _field_types(kind)))
    return _scalar(rng, kind)


@cache
def _field_types(kind: type[msgspec.Struct]) -> tuple[object, ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple(hints[name] for name in kind.__struct_fields__)


def _scalar(rng: Random, kind: object) -> object:
    if kind is bool:
        return rng.random() < 0.5
    if kind is int:
        return rng.choice(_ODD) if rng.random() < 0.5 else rng.randrange(10)
    if kind is float:
        return rng.choice((0.0, 0.5, -1.0, 1e300, float("inf"), float("nan")))
    if kind in (bytes, memoryview):
        return kind(rng.randbytes(rng.choice((0, 1, 10, 100))))
    if kind is str:
        return rng.choice(_TEXTS)
    if kind is type(None):
        return None
    raise TypeError(f"no values for {kind}")


def frames(rng: Random) -> bytes:
    """A few messages as they should be, most of the time in bad hands afterwards."""
    content = frame([message(rng) for _ in range(rng.randrange(1, 4))])
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        content = mutated(rng, content)
    return content


def mutated(rng: Random, content: bytes) -> bytes:
    """The same with one thing wrong."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((0, 1, 1, 4, 30)))
    match rng.randrange(8):
        case 0:
            return content[:start] + rng.randbytes(end - start) + content[end:]
        case 1:
            return content[:start] + content[end:]
        case 2:
            return content[:start] + rng.randbytes(rng.choice((1, 4, 50))) + content[start:]
        case 3:
            return content[:end] + content[start:end] * rng.randrange(4) + content[end:]
        case 4:
            return content[:start]
        case 5:
            return rng.choice(_HEADERS).to_bytes(4, "little") + content[4:]
        case 6:
            return rng.randbytes(rng.choice((1, 10, 70, 300, 3000)))
        case _:
            bits = bytearray(content)
            for _ in range(rng.randrange(1, 4) if bits else 0):
                bits[rng.randrange(len(bits))] ^= 1 << rng.randrange(8)
            return bytes(bits)


def pieces(rng: Random, content: bytes) -> list[bytes]:
    """The same bytes as a socket may deliver them."""
    if rng.random() < 0.3:
        return [content]
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.choice((1, 2, 3, 8))))
    return [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def run(kind: str, nonces: SimpleNamespace, case: Callable[[Random], None]) -> None:
    """Runs all cases of a kind, or the one that FUZZ names."""
    wanted, _, number = ONLY.partition(":")
    if ONLY and wanted != kind:
        pytest.skip(f"FUZZ names {wanted}")
    for seed in [int(number)] if ONLY else range(NUMBERS[kind]):
        rng = Random(f"{kind}:{seed}")
        nonces.token_bytes = rng.randbytes
        try:
            case(rng)
        except BaseException as error:
            command = f"FUZZ={kind}:{seed} .venv/bin/python -m pytest tests/runtime -k fuzz"
            raise AssertionError(f"{error!r}. Run it alone: {command}") from error


def proof(rng: Random, role: bytes, server_nonce: bytes, client_nonce: bytes) -> bytes:
    """A right proof, or one with something wrong."""
    key = KEY if rng.random() < 0.8 else rng.choice((bytes(32), b"", KEY[::-1]))
    role = role if rng.random() < 0.9 else rng.choice((b"server", b"client", b""))
    right = hmac.digest(key, role + server_nonce + client_nonce, hashlib.sha256)
    return right if rng.random() < 0.7 else mutated(rng, right)


def said_by_client(rng: Random, greeting: bytes) -> bytes:
    """A client's part of the login, right or wrong, with frames after it."""
    nonce = rng.randbytes(32)
    said = nonce + proof(rng, b"client", greeting[12:], nonce)
    if rng.random() < 0.3:
        said = mutated(rng, said)
    return said + (frames(rng) if rng.random() < 0.7 else b"")


def is_right(greeting: bytes, said: bytes) -> bool:
    """Whether that is a client's login, worked out anew."""
    right = hmac.digest(KEY, b"client" + greeting[12:GREETING] + said[:32], hashlib.sha256)
    return len(said) >= LOGIN and said[32:LOGIN] == right


@pytest.fixture(autouse=True)
def nonces(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Makes the logins' random numbers follow from the case."""
    source = SimpleNamespace(token_bytes=None)
    monkeypatch.setattr(auth, "secrets", source)
    return source


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """All of it together needs less than 100 MB more than before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 100 << 20
