"""Functions that can neither print nor draw: nobody has to look whether they did, and no generator is set for them."""

from __future__ import annotations

import builtins
import types
from typing import Any

from .names_used import LEADING_FURTHER, names_used
from .scalars import BARE


def is_quiet(function: Any) -> bool:
    """Whether a function that is given numbers and text alone can neither print nor draw: it uses only built-in names.

    Those are left out with which code can be reached that is not seen here.
    """
    if type(function) is types.BuiltinFunctionType:
        return function.__module__ in ("builtins", "math") and function.__name__ not in LEADING_FURTHER
    if type(function) is not types.FunctionType or function.__closure__ or function.__dict__:
        return False
    own = function.__globals__
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return BARE.issuperset(map(type, defaults)) and all(
        name not in own and hasattr(builtins, name) and name not in LEADING_FURTHER
        for name in names_used(function.__code__)
    )
