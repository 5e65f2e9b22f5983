"""Functions that can neither print nor draw: nobody has to look whether they did, and no generator is set for them."""

from __future__ import annotations

import builtins
import types
from typing import Any

from .scalars import BARE
from .unseeded import names_used

_LOUD = frozenset(
    {
        *(
            "print",
            "input",
            "open",
            "exec",
            "eval",
            "compile",
            "breakpoint",
            "help",
            "exit",
            "quit",
            "copyright",
        ),
        *(
            "credits",
            "license",
            "getattr",
            "setattr",
            "delattr",
            "vars",
            "globals",
            "locals",
            "type",
            "object",
        ),
        *("super", "property", "classmethod", "staticmethod", "__import__", "__build_class__"),
    }
)


def is_quiet(function: Any) -> bool:
    """Whether a function that is given numbers and text alone can neither print nor draw: it uses only built-in names.

    Those are left out with which code can be reached that is not seen here.
    """
    if type(function) is types.BuiltinFunctionType:
        return function.__module__ in ("builtins", "math") and function.__name__ not in _LOUD
    if type(function) is not types.FunctionType or function.__closure__ or function.__dict__:
        return False
    own = function.__globals__
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return BARE.issuperset(map(type, defaults)) and all(
        name not in own and hasattr(builtins, name) and name not in _LOUD
        for name in names_used(function.__code__)
    )
