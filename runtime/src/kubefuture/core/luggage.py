"""What a function needs in a process before it is unpacked there, beside what the process was told at its start.

    sys.path, as far as it changed     ┐
    modules that were loaded again     ├── in front of the function's pickle, where there is any of it
    what was registered with copyreg   ┘

A program that is a notebook changes all of these between two calls. Elements are to find modules as the program does,
in the version that it has, and what they return is to be packed as the program packs it.
"""

from __future__ import annotations

import copyreg
import importlib
import os
import secrets
import sys
from collections.abc import Hashable
from types import ModuleType
from typing import Any, NamedTuple

from .current_folder import current_folder
from .edits import Edits
from .module_path import is_installed_module, own_path


class Luggage(NamedTuple):
    """What goes along with a function.

    Attributes:
        program: Names the process that it is from.
        path: Where that finds its own modules; empty where workers know it.
        reloads: Modules that it has loaded again, in this order, and how often.
        reducers: What was registered with copyreg by its own modules, by type.
    """

    program: str
    path: tuple[str, ...]
    reloads: tuple[tuple[str, int], ...]
    reducers: tuple[tuple[type, Any], ...]

    @property
    def key(self) -> Hashable:
        """Tells it from other luggage of this program."""
        return self.path, self.reloads, tuple((kind, id(reducer)) for kind, reducer in self.reducers)


class _Reloads:
    """A finder that finds nothing, but sees which modules are loaded again.

    Attributes:
        counts: How often, by name, in the order in which it was done last.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> None:
        """Called for each import of a module that is not loaded; with a target where it is loaded again."""
        if target is not None and not is_installed_module(name):
            _edits.loaded_again(target)
            self.add(name)

    def add(self, name: str) -> None:
        """A module was loaded again."""
        self.counts[name] = self.counts.pop(name, 0) + 1


_program = secrets.token_hex(8)
_edits = Edits()
_reloads = _Reloads()
_first_path: tuple[str, ...] | None = None
_used: dict[str, dict[str, int]] = {}
"""Of the programs whose functions were unpacked here: what they had loaded again then."""


def _forked() -> None:
    global _program
    _program = secrets.token_hex(8)


os.register_at_fork(after_in_child=_forked)


def path_told() -> tuple[str, ...]:
    """This program's module path, which workers are told now; from now on they are told of changes."""
    global _first_path
    path = own_path()
    if _first_path is None:
        _first_path = path
        sys.meta_path.insert(0, _reloads)
    return path


def luggage() -> Luggage | None:
    """What a function that is packed now must have with it; None as long as nothing has changed."""
    for name in _edits.changed():
        _reloads.add(name)
    if _first_path is None:
        return None
    path, reducers = _path.look(), _registered.look()
    if path == _first_path:
        path = ()
    if not path and not reducers and not _reloads.counts:
        return None
    return Luggage(_program, path, tuple(_reloads.counts.items()), reducers)


class _Path:
    """The module path, worked out anew only where it may have changed: this is asked for each call."""

    def __init__(self) -> None:
        self._entries: list[str] = []
        self._folder = ""
        self._found: tuple[str, ...] = ()

    def look(self) -> tuple[str, ...]:
        """The path as it is now."""
        if sys.path != self._entries or (self._folder and current_folder() != self._folder):
            self._entries = list(sys.path)
            self._folder = "" if all(map(os.path.isabs, sys.path)) else current_folder()
            self._found = own_path()
        return self._found


class _Registered:
    """What the program's own modules registered with copyreg, looked through only where there may be more."""

    def __init__(self) -> None:
        self._length = 0
        self._found: tuple[tuple[type, Any], ...] = ()

    def look(self) -> tuple[tuple[type, Any], ...]:
        """What is registered now."""
        table = copyreg.dispatch_table
        if len(table) != self._length or any(table.get(kind) is not one for kind, one in self._found):
            self._length = len(table)
            self._found = tuple(
                (kind, reducer)
                for kind, reducer in table.items()
                if not is_installed_module(getattr(reducer, "__module__", None) or "")
            )
        return self._found


_path = _Path()
_registered = _Registered()


class Packed:
    """A function with its luggage, as it is pickled; unpickled it is the function.

    Args:
        function: The function.
        its: Its luggage.
    """

    def __init__(self, function: Any, its: Luggage) -> None:
        self._function = function
        self._luggage = its

    def __reduce__(self) -> tuple[Any, ...]:
        *first, reducers = self._luggage
        return _unpacked, (_First(tuple(first)), _Reducers(self._luggage.program, reducers), self._function)


class _First:
    """Pickled in front of the rest, so that it has its effect before that is unpickled."""

    def __init__(self, facts: tuple[Any, ...]) -> None:
        self._facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return prepare, self._facts


class _Reducers:
    def __init__(self, program: str, reducers: tuple[tuple[type, Any], ...]) -> None:
        self._facts = program, reducers

    def __reduce__(self) -> tuple[Any, ...]:
        return register, self._facts


def _unpacked(_prepared: None, _registered: None, function: Any) -> Any:
    return function


def prepare(program: str, path: tuple[str, ...], reloads: tuple[tuple[str, int], ...]) -> None:
    """Makes this process find a program's modules as that does; nothing in that program itself."""
    if program == _program:
        return
    known = set(sys.path)
    sys.path[:0] = [entry for entry in path if entry not in known]
    used = _used.setdefault(program, {})
    for name, count in reloads:
        if used.get(name) == count:
            continue
        used[name] = count
        importlib.invalidate_caches()
        if name in sys.modules:  # as there: what uses it finds it changed, and all else stays
            importlib.reload(sys.modules[name])


def register(program: str, reducers: tuple[tuple[type, Any], ...]) -> None:
    """Registers with copyreg what a program did; nothing in that program itself."""
    if program != _program:
        copyreg.dispatch_table.update(reducers)
