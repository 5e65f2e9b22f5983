"""What an element was given, on a line, for the message of its error."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .scalars import unpack

GIVEN_BYTES = 64 << 10
"""Longer arguments do not travel for the sake of a message."""

_LINE = 100
"""Characters of an element's arguments in an error's note."""

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _LINE


class Given(msgspec.Struct, frozen=True, array_like=True):
    """An element's arguments, for whoever may unpickle them.

    Attributes:
        payload: Its packed arguments, empty when they are too long.
        own_seeds: They begin with a packed root of the element's own.
        bare: They are the one argument itself.
    """

    payload: bytes = b""
    own_seeds: bool = False
    bare: bool = False

    def __str__(self) -> str:
        return shown(self, unpack) if self.payload else ""


def shown(given: Given, load: Callable[[bytes], Any]) -> str:
    """The arguments on one line; empty if they cannot be unpacked or shown.

    Args:
        given: The arguments.
        load: Unpacks them.
    """
    try:
        content = without_own_seed(given.payload) if given.own_seeds else given.payload
        return _line(*(((load(content),), None) if given.bare else load(content)))
    except (Exception, SystemExit):  # the error is more important
        return ""


def line(*args: Any) -> str:
    """Positional arguments on one line; empty if they cannot be shown."""
    try:
        return _line(args, None)
    except (Exception, SystemExit):
        return ""


def _line(args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str:
    given = [_SHORT.repr(arg) for arg in args]
    given += [f"{name}={_SHORT.repr(arg)}" for name, arg in (kwargs or {}).items()]
    line = " ".join(", ".join(given).split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 3]}..."


def without_own_seed(payload: bytes) -> bytes:
    """Of a payload that carries its element's own root in front, only the arguments' part."""
    return payload[4 + int.from_bytes(payload[:4], "little") :]
