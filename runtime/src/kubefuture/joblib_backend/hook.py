"""Makes our back end known to joblib, whichever of the two is imported first.

joblib has a register of back ends, and no way to be told of more before it is imported. Nor shall `import kubefuture`
import it. So if it is not there yet, a finder waits in front of the others until it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "kubefuture"
_MODULE = "joblib.parallel"


def watch() -> None:
    """Registers our back end now, or as soon as joblib is imported."""
    if _MODULE in sys.modules:
        _register(import_module(_MODULE))  # waits for a thread that is importing it
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Lets the others find joblib, and has our back end registered when it has been loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _MODULE:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _Finder):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Joblib's own loader, and what follows."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:  # from now on nobody shall see us there
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
        _register(module)


def _register(joblib: ModuleType) -> None:
    joblib.register_parallel_backend(NAME, _made)


def _made(**arguments: Any) -> Any:
    """The back end, imported when somebody chooses it."""
    from .backend import KubefutureBackend

    return KubefutureBackend(**arguments)
