"""Finds the part of an object that cannot be pickled, so that the error can name it."""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .capture import is_by_reference

_DEPTH = 12


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
        yield from (
            (f"attribute {name!r} of {value.__qualname__}", part) for name, part in vars(value).items()
        )
    elif isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from ((f"[{number}]", part) for number, part in enumerate(value))
    elif isinstance(value, type):
        if is_by_reference(value) or value.__module__ in sys.builtin_module_names:
            return  # its name is all that travels, or it is none of the user's
        of_class = f"of class {value.__qualname__}"
        yield from ((f"attribute {name!r} {of_class}", part) for name, part in vars(value).items())
        yield from ((f"base {base.__qualname__} {of_class}", base) for base in value.__bases__)
    elif not isinstance(value, types.ModuleType):
        yield from ((f".{name}", part) for name, part in _attributes(value))
        if next(_parts(type(value)), None) is not None:
            yield "its class", type(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """An object's attributes, those in slots too."""
    yield from getattr(value, "__dict__", {}).items()
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            try:
                yield name, getattr(value, f"_{base.__name__.lstrip('_')}{name}" if private else name)
            except AttributeError:  # it has no value
                continue


def _name(value: functools.partial[Any]) -> str:
    return f"partial({getattr(value.func, '__name__', '…')})"


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
