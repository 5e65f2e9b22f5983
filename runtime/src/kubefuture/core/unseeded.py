"""Notices that a function drew from the global generators though it was given no seed (R25).

Both generators are Mersenne Twisters of 2.5 KB. Asking them for their state makes Python objects of it,
which takes longer than a short task; so the bytes are compared where they are, in half a microsecond.
"""

from __future__ import annotations

import builtins
import ctypes
import random
import struct
import sys
import types
from functools import cache
from typing import Any

from .names_used import LEADING_FURTHER, names_used
from .scalars import BARE
from .warn import warn_user

_WORDS = 624
_BYTES = 4 * _WORDS + 4
_FRESH = (623, 624)
"""Positions of NumPy's generator before its first draw."""

State = tuple[Any, bytes | None]
"""What both generators stand at; of NumPy's None while it is not loaded."""


def may_draw(function: Any) -> bool:
    """Whether a function could draw from a global generator: not if it uses nothing but built-in names.

    Those are left out with which code can be reached that is not seen here. One that names `seed` takes care of itself.
    """
    if isinstance(function, types.BuiltinFunctionType):
        return not (function.__self__ is None or isinstance(function.__self__, types.ModuleType))
    if isinstance(function, type):
        return function.__module__ != "builtins"
    if type(function) is not types.FunctionType:
        return True
    names = names_used(function.__code__)
    if "seed" in names:
        return False
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    if function.__closure__ or not BARE.issuperset(map(type, defaults)):
        return True
    own = function.__globals__
    return any(name in own or not hasattr(builtins, name) or name in LEADING_FURTHER for name in names)


def state() -> State:
    """What the generators stand at now. Loads nothing."""
    return _python_state(), _numpy_state()


def drawn(before: State, after: State) -> bool:
    """Whether somebody drew between the two."""
    if before[0] != after[0]:
        return True
    if before[1] is None and after[1] is not None:  # loaded meanwhile
        return int.from_bytes(after[1][-4:], sys.byteorder) not in _FRESH
    return before[1] != after[1]


def warn_unseeded(function: str) -> None:
    """Warns, at the line of the user's that called us."""
    warn_user(
        f"{function} drew from the global random generators without a seed, so its results cannot be reproduced. "
        "Give the call a seed, for example seed=1."
    )


def _python_state() -> Any:
    address = _python_address()
    return ctypes.string_at(address, _BYTES) if address else random.getstate()


@cache
def _python_address() -> int:
    """Where CPython keeps the state of `random`: the position, then the words. 0 if it is not there."""
    generator: Any = random.random.__self__  # type: ignore[attr-defined]
    address = id(generator) + object.__basicsize__
    if sys.implementation.name != "cpython" or generator.__class__.__base__.__basicsize__ < (
        object.__basicsize__ + _BYTES
    ):
        return 0
    position, *words = struct.unpack(f"=i{_WORDS}I", ctypes.string_at(address, _BYTES))
    return address if generator.getstate()[1] == (*words, position) else 0


def _numpy_state() -> bytes | None:
    module = sys.modules.get("numpy.random")
    current = getattr(module, "get_bit_generator", None)
    if current is None:
        return None
    generator = current()
    if type(generator).__name__ != "MT19937":
        return None  # it was replaced by another kind, on purpose
    return ctypes.string_at(generator.ctypes.state_address, _BYTES)
