"""Where a program finds its own modules, apart from Python's and the environment's."""

from __future__ import annotations

import os
import sys


def own_path() -> tuple[str, ...]:
    """sys.path without Python's and the environment's folders."""
    found: list[str] = []
    for entry in sys.path:
        path = os.path.abspath(entry)
        if not in_library(path) and path not in found:
            found.append(path)
    return tuple(found)


def in_library(path: str) -> bool:
    """Whether a file or folder belongs to Python or to the environment."""
    real = os.path.realpath(path)
    prefixes = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    return any(real.startswith(os.path.join(prefix, "lib")) or real == prefix for prefix in prefixes)


def is_installed(path: str) -> bool:
    """Whether a file or folder belongs to Python or to a package, wherever that was installed."""
    return in_library(path) or bool(
        {"site-packages", "dist-packages"} & set(os.path.realpath(path).split(os.sep))
    )


def is_installed_module(name: str) -> bool:
    """The same of a module that was imported; True where that has no file."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return name != "__main__" and (file is None or is_installed(file))
