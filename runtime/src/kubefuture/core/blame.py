"""Finds the part of an object that cannot be pickled, so that the error can name it.

An object's parts are what pickling goes through: of one with a state of its own, that state.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import reprlib
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .capture import is_by_reference
from .reducers import REDUCERS

_DEPTH = 50
_SHOWN = 12
"""Of a longer path the first and the last parts are shown."""

_NO_PARTS = (int, float, complex, bool, str, bytes, bytearray, type(None), types.ModuleType, types.CodeType)
_GLOBALS = frozenset({"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL"})


def find_culprit(value: Any, dumps: Callable[[Any], object]) -> str:
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
        for name, part in parts_of(value):
            if type(part) in _NO_PARTS or id(part) in seen or can(part, dumps):
                continue
            seen.add(id(part))
            path.append(name)
            value = part
            break
        else:
            break
    if not path:
        return ""
    if len(path) > _SHOWN:
        path[_SHOWN // 2 : -_SHOWN // 2] = ["…"]
    return f"{' → '.join(path)} ({kind_of(value)})"


def kind_of(value: Any) -> str:
    """An object's type with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOaeio' or name == 'ndarray' else 'a'} {name}"


def can(value: Any, step: Callable[[Any], object]) -> bool:
    """Whether packing or unpacking something, which calls the user's code, raises nothing."""
    try:
        step(value)
    except (Exception, SystemExit):
        return False
    return True


def parts_of(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of an object that are pickled with it, each with a name for people."""
    if isinstance(value, functools.partial):
        name = f"partial({getattr(value.func, '__name__', '…')})"
        yield f"the function of {name}", value.func
        yield from ((f"argument {number + 1} of {name}", part) for number, part in enumerate(value.args))
        yield from ((f"argument {key!r} of {name}", part) for key, part in value.keywords.items())
    elif isinstance(value, types.MethodType):
        yield f"the object of method {_short(value.__func__)}", value.__self__
    elif isinstance(value, types.FunctionType):
        yield from () if is_by_reference(value) else _of_function(value)
    elif isinstance(value, type):
        yield from _of_class(value)
    elif isinstance(value, (property, staticmethod, classmethod)):
        inside = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (value.__func__,)
        yield from ((f"its function {_short(part)}", part) for part in inside if part is not None)
    elif type(value) in (list, tuple, set, frozenset):
        yield from _numbered(value)
    elif type(value) is dict:
        yield from _keyed(value.items())
    elif type(value) not in _NO_PARTS:
        yield from _of_object(value)
        if next(parts_of(type(value)), None) is not None:
            yield "its class", type(value)


def _of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    name = _short(function)
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"closure variable {variable!r} of {name}", cell.cell_contents
        except ValueError:
            continue
    for variable in dict.fromkeys(_global_names(function.__code__)):
        if variable in function.__globals__:
            yield f"global variable {variable!r} of {name}", function.__globals__[variable]
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    for argument, part in zip(positional[len(positional) - len(defaults) :], defaults, strict=False):
        yield f"default of {argument!r} of {name}", part
    for argument, part in (function.__kwdefaults__ or {}).items():
        yield f"default of {argument!r} of {name}", part
    yield from ((f"attribute {key!r} of {name}", part) for key, part in vars(function).items())


def _of_class(value: type) -> Iterator[tuple[str, Any]]:
    if is_by_reference(value) or value.__module__ in sys.builtin_module_names:
        return  # its name is all that travels, or it is none of the user's
    of_class = f"of class {_short(value)}"
    yield from ((f"attribute {name!r} {of_class}", part) for name, part in vars(value).items())
    yield from ((f"base {_short(base)} {of_class}", base) for base in value.__bases__)


def _of_object(value: Any) -> Iterator[tuple[str, Any]]:
    """What its class says that it is made from, as pickling asks; of arrays and tables what people see of them."""
    package, _, _ = type(value).__module__.partition(".")
    if package == "numpy" and getattr(getattr(value, "dtype", None), "hasobject", False):
        yield from _numbered(value.flat if hasattr(value, "flat") else ())
        return
    if package == "pandas" and hasattr(value, "items"):
        yield from ((f"[{reprlib.repr(key)}]", part) for key, part in value.items())
        return
    try:
        reducer = REDUCERS.get(type(value)) or copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(5)
    except Exception:  # it is the one that cannot
        return
    if not isinstance(reduced, tuple):
        return
    made, given, state, items, pairs, *_ = *reduced, *(None,) * 4
    yield from _of_state(value, state)
    yield from _numbered(items or ())
    yield from _keyed(pairs or ())
    if made is copyreg.__newobj__:  # type: ignore[attr-defined]
        given = given[1:]  # its class comes last
    pairs_of_state = [*_numbered(given or ())]
    yield from (
        (name if state is None else f"what it is made from {name}", part) for name, part in pairs_of_state
    )


def _of_state(value: Any, state: Any) -> Iterator[tuple[str, Any]]:
    """Attributes by their names, and what else it calls its state."""
    slots: Any = None
    attributes = state
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        attributes, slots = state
    if not isinstance(attributes or {}, dict):
        yield "its state", state
        return
    for name, part in {**(attributes or {}), **(slots or {})}.items():
        yield (
            (f".{_unmangled(name, value)}" if _is_attribute(value, name, part) else f"its state[{name!r}]"),
            part,
        )


def _is_attribute(value: Any, name: Any, part: Any) -> bool:
    try:
        return isinstance(name, str) and getattr(value, name) is part
    except Exception:
        return False


def _unmangled(name: str, value: Any) -> str:
    """The name of a private attribute as it stands in the code."""
    for base in type(value).__mro__:
        prefix = f"_{base.__name__.lstrip('_')}__"
        if name.startswith(prefix):
            return f"__{name.removeprefix(prefix)}"
    return name


def _numbered(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    yield from ((f"[{number}]", part) for number, part in enumerate(values))


def _keyed(pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    for key, part in pairs:
        yield f"[{reprlib.repr(key)}]", part
        yield f"the key {reprlib.repr(key)}", key


def _short(named: Any) -> str:
    """A function's or class's name as it stands in the code, without the functions around it."""
    name: str = getattr(named, "__qualname__", None) or type(named).__name__
    return name.rpartition("<locals>.")[2]


def _global_names(code: types.CodeType) -> Iterator[str]:
    """The global variables that some code uses, and the functions in it."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBALS:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
