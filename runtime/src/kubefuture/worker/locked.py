"""For methods that are called without their object's lock, and need it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_P = ParamSpec("_P")


class _HasLock(Protocol):
    _lock: AbstractContextManager[object]


_T = TypeVar("_T", bound=_HasLock)


def locked(method: Callable[Concatenate[_T, _P], None]) -> Callable[Concatenate[_T, _P], None]:
    """Holds the lock of a method's object while it runs."""

    @wraps(method)
    def wrapper(self: _T, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        with self._lock:
            method(self, *args, **kwargs)

    return wrapper
