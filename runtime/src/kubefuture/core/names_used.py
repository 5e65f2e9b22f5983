"""The names that a function's code uses, and which of Python's own tell nothing of what it does."""

from __future__ import annotations

import types

LEADING_FURTHER = frozenset(
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
"""Built-in names that print, or with which code can be reached that is not seen where they are used."""


def names_used(code: types.CodeType) -> set[str]:
    """All names that some code looks up, attributes too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_used(constant)
    return names
