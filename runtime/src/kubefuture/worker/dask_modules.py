"""The modules of the program whose elements a worker of Dask runs.

A slot belongs to one program (R3), but a worker of a cluster that is there outlives many. Without this, what a program
finds would be the modules of another project that are called the same, or its own as they were before an edit.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from ..core.module_path import is_installed


class _ModulesOf:
    """The program whose turn it is. Its methods are called by one thread at a time."""

    def __init__(self) -> None:
        self._program = ""
        self._path: tuple[str, ...] = ()
        self._added: list[str] = []
        self._kept: frozenset[str] = frozenset()
        self._turn = 0

    def begin(self, program: str, path: tuple[str, ...]) -> int:
        """From now on a program's modules are found, and no other's.

        Args:
            program: Which.
            path: Where it finds its own modules.

        Returns:
            Another number than before if another program's turn was between: what was unpacked then is of modules
            that are no longer the ones that Python knows.
        """
        if program == self._program:
            return self._turn
        if not self._turn:
            self._kept = frozenset(sys.modules)  # Dask's own, and what was loaded for all as it started
        # All of them are found before the first goes: a package without __init__.py asks the one around it where it is.
        loaded = [item for item in list(sys.modules.items()) if item[0] not in self._kept]
        for name in [name for name, module in loaded if self._is_own(module)]:
            sys.modules.pop(name, None)
        others = [entry for entry in sys.path if entry not in self._added]
        self._added = [entry for entry in path if entry not in others and os.path.isdir(entry)]
        sys.path[:] = self._added + others
        importlib.invalidate_caches()
        self._program, self._path = program, path
        self._turn += 1
        return self._turn

    def _is_own(self, module: ModuleType) -> bool:
        """Whether the program before has it from its own folders."""
        file = getattr(module, "__file__", None)
        places = [file] if file else list(getattr(module, "__path__", ()))
        return any(
            place.startswith(os.path.join(entry, "")) and not is_installed(place)
            for place in map(os.path.abspath, places)
            for entry in self._path
        )


modules_of = _ModulesOf()
