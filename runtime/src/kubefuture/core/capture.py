"""What a function captured (R28): may one copy serve several elements, and is it the same as before?

Each element gets a fresh copy of its function, so that what it captured behaves alike on every plan and
with every chunk size. A copy an element costs an unpickling each, which is not needed where nothing
that was captured can change: then one copy serves a chunk, and the packed function can be kept.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Hashable, Iterator
from typing import Any, cast

_SCALARS = frozenset({int, float, complex, bool, str, bytes, type(None), type(Ellipsis)})
_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_CELL_WRITES = frozenset({"STORE_DEREF", "DELETE_DEREF"})
_EMPTY_CELL = object()


def is_by_reference(value: Any) -> bool:
    """Whether pickling a function or class means its module and name, as for all that can be imported."""
    module_name = getattr(value, "__module__", None)
    if module_name == "__main__" or not isinstance(module_name, str) or _is_by_value(module_name):
        return False
    found: Any = sys.modules.get(module_name)
    for part in getattr(value, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is value


def _is_by_value(module_name: str) -> bool:
    """Whether the user told cloudpickle to send what a module holds, as for workers that cannot import it."""
    cloudpickle = sys.modules.get("cloudpickle")
    chosen = cloudpickle.list_registry_pickle_by_value() if cloudpickle is not None else ()
    return bool(chosen) and any(f"{module_name}.".startswith(f"{one}.") for one in chosen)


def fingerprint(function: Any) -> Hashable | None:
    """Everything that a function is made of, if none of it can change when it is called.

    Args:
        function: Any callable.

    Returns:
        A key that is equal for functions that behave alike; None when a copy must be made for each
        element: it captured something mutable, or assigns its globals or captured variables.
    """
    try:
        return _key(function, set())
    except _Mutable:
        return None


class _Mutable(Exception):
    pass


def _key(value: Any, seen: set[int]) -> Hashable:
    kind = type(value)
    if kind in _SCALARS:
        return kind, repr(value) if kind in (float, complex) else value
    if kind is types.FunctionType:
        if is_by_reference(value):
            return cast(Hashable, value)
        return _function_key(value, seen)
    if kind is tuple:
        return tuple(_key(part, seen) for part in value)
    if kind is types.ModuleType:
        return _module_key(value)
    if value is _EMPTY_CELL:
        return "empty"
    if isinstance(value, type) and is_by_reference(value):
        return value
    if kind is types.BuiltinFunctionType and isinstance(value.__self__, types.ModuleType):
        return cast(Hashable, value)
    raise _Mutable


def _module_key(module: types.ModuleType) -> Hashable:
    """A module stands for itself where it is imported anew; one that travels with what it holds can change."""
    name = module.__dict__.get("__name__")
    if not isinstance(name, str) or sys.modules.get(name) is not module or _is_by_value(name):
        raise _Mutable
    return module


def _function_key(function: types.FunctionType, seen: set[int]) -> Hashable:
    if id(function) in seen:
        return "recursion", function.__qualname__
    seen.add(id(function))
    code = function.__code__
    facts = _facts.get(id(code))
    if facts is None:
        if len(_facts) > 4096:
            _facts.clear()
        facts = _facts[id(code)] = _Facts(code)
    if facts.writes or function.__dict__:
        raise _Mutable
    key = function.__module__, function.__qualname__, facts
    own_globals = function.__globals__
    captured = [(name, own_globals[name]) for name in facts.names if name in own_globals]
    if (
        not captured
        and not function.__closure__
        and not function.__defaults__
        and not function.__kwdefaults__
    ):
        return key
    cells = [_content(cell) for cell in function.__closure__ or ()]
    return (
        key,
        tuple((name, _key(value, seen)) for name, value in captured or ()),
        tuple(_key(value, seen) for value in cells),
        _key(function.__defaults__, seen),
        tuple((name, _key(value, seen)) for name, value in (function.__kwdefaults__ or {}).items()),
    )


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return "empty"


class _Facts:
    """What a function's code says.

    Stands for the code in keys, and keeps it alive: an id alone would be given to another code later.

    Attributes:
        names: The global names that it may use.
        writes: It assigns globals or captured variables.
    """

    __slots__ = ("code", "names", "writes")

    def __init__(self, code: types.CodeType) -> None:
        codes = list(_codes(code))
        self.code = code
        self.names = tuple(sorted({name for part in codes for name in part.co_names}))
        self.writes = any(_writes(part, frozenset(code.co_freevars)) for part in codes)


_facts: dict[int, _Facts] = {}
"""By the code's id, since comparing codes would compare all that they hold."""


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _writes(code: types.CodeType, free: frozenset[str]) -> bool:
    """Whether it assigns a global or a captured variable, which the next element would see."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _WRITES:
            return True
        if instruction.opname in _CELL_WRITES and instruction.argval in free:
            return True
    return False
