"""Sees in a notebook which modules' files were edited since the program's first call.

Autoreload changes such modules in place, where no import could be seen. Without it the program goes on with what it
has, while a worker that imports the module now has the new version: that is warned about.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from .module_path import is_installed
from .warn import warn_user


class Edits:
    """Looks once in each cell."""

    def __init__(self) -> None:
        self._cell = -1
        self._known: dict[str, tuple[int, int]] = {}
        self._installed: dict[str, bool] = {}

    def loaded_again(self, module: ModuleType) -> None:
        """The program loads a module again: what it has is what the file holds now."""
        self._known[module.__name__] = _state(module.__file__ or "")

    def changed(self) -> list[str]:
        """Modules of the program's own that autoreload changed since the last look; none where there are no cells."""
        package = sys.modules.get("IPython")
        if package is None:
            return []
        shell = getattr(package, "get_ipython", _nothing)()  # it may just be loaded by another thread
        cell = getattr(shell, "execution_count", self._cell)
        if cell == self._cell:
            return []
        self._cell = cell
        follows = _is_on(shell)
        found = []
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if not isinstance(file, str) or name == "__main__" or self._is_installed(file):
                continue
            state = _state(file)
            if self._known.setdefault(name, state) == state:
                continue
            self._known[name] = state
            if follows:
                found.append(name)
            else:
                warn_user(
                    f"{os.path.basename(file)} was edited after it was imported here, and workers may import it only "
                    f"now: then they have another version. Load it again with importlib.reload({name}), or use "
                    "%load_ext autoreload and %autoreload 2."
                )
        return found

    def _is_installed(self, file: str) -> bool:
        known = self._installed.get(file)
        if known is None:
            known = self._installed[file] = is_installed(file)
        return known


def _nothing() -> None:
    return None


def _is_on(shell: Any) -> bool:
    """Whether autoreload changes modules before each cell."""
    registry = getattr(getattr(shell, "magics_manager", None), "registry", {})
    magics = registry.get("AutoreloadMagics")
    return bool(getattr(getattr(magics, "_reloader", None), "enabled", False))


def _state(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
