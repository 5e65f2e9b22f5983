"""Finds the part of an object that cannot be pickled, so that the error can name it."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

_DEPTH = 6


def find_culprit(value: Any, dumps: Callable[[Any], bytes]) -> str:
    """Names the innermost part that cannot be pickled.

    Args:
        value: An object that `dumps` refused.
        dumps: The pickler.

    Returns:
        Something like `closure variable 'db' of fit → .conn (a Connection)`; empty when it is the whole.
    """
    path: list[str] = []
    seen = {id(value)}
    for _ in range(_DEPTH):
        for name, part in _parts(value):
            if id(part) in seen or _can(part, dumps):
                continue
            seen.add(id(part))
            path.append(name)
            value = part
            break
        else:
            break
    if not path:
        return ""
    return f"{' → '.join(path)} (a {type(value).__name__})"


def _can(value: Any, dumps: Callable[[Any], bytes]) -> bool:
    try:
        dumps(value)
    except Exception:
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of an object that are pickled with it, each with a name for people."""
    if isinstance(value, functools.partial):
        yield f"the function of {_name(value)}", value.func
        yield from (
            (f"argument {number + 1} of {_name(value)}", part) for number, part in enumerate(value.args)
        )
        yield from ((f"argument {key!r} of {_name(value)}", part) for key, part in value.keywords.items())
    elif isinstance(value, types.MethodType):
        yield f"the object of method {value.__func__.__qualname__}", value.__self__
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
            try:
                yield f"closure variable {name!r} of {value.__qualname__}", cell.cell_contents
            except ValueError:
                continue
        for name in _global_names(value.__code__):
            if name in value.__globals__:
                yield f"global variable {name!r} of {value.__qualname__}", value.__globals__[name]
        for number, part in enumerate(value.__defaults__ or ()):
            yield f"default {number + 1} of {value.__qualname__}", part
        for name, part in (value.__kwdefaults__ or {}).items():
            yield f"default of {name!r} of {value.__qualname__}", part
    elif isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{number}]", part) for number, part in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType)):
        yield from ((f".{name}", part) for name, part in vars(value).items())


def _name(value: functools.partial[Any]) -> str:
    return f"partial({getattr(value.func, '__name__', '…')})"


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
