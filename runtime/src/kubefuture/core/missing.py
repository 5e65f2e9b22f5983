"""Says of a module that an element did not find what to do about it.

    worker ── ModuleNotFoundError ──> client, which may have the module: a package, or a file of the project's own
                                      └── a note: the lines for values.yaml, or where the module must be

Only the client can say this: a worker that lacks a module knows nothing of it but the name.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path

from .module_path import is_installed

_PACKAGES = {
    "Bio": "biopython",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "osgeo": "gdal",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""Packages that pip knows by another name than `import` does, where they are not installed here either."""

_DEPTH = 2
"""So many folders below the present one are looked through for a module of the project's own."""


def note_missing(error: BaseException, name: str, *, elsewhere: bool) -> None:
    """Adds a note to the error that came from an import that found no module.

    Args:
        error: What an element raised.
        name: The module.
        elsewhere: It ran in another process.
    """
    note = _note(name, "on the workers" if elsewhere else "here")
    if note not in getattr(error, "__notes__", ()):  # an element may have said it of a call inside it
        error.add_note(note)


@lru_cache(maxsize=256)  # every element of a map may fail for the same reason
def _note(name: str, where: str) -> str:
    root, dot, _ = name.partition(".")
    file = _file(root)
    own = None if file is None or is_installed(file) else _shown(file)
    if dot and own:
        return f"kubefuture: this project's own package {root!r}, {own}, is seen {where} without {name!r}."
    if dot:
        return (
            f"kubefuture: the package {root!r} is {where}, but has no module {name!r}: it has another version there, "
            "or the module another name. Add the version that you need to values.yaml, then run `make up`:\n"
            f"packages:\n  pip:\n    - {_requirement(root)}"
        )
    if file is None and root in sys.modules and root not in sys.stdlib_module_names:
        return (
            f"kubefuture: the module {name!r} is in this program's memory only. Write it to a file {root}.py beside "
            "your script."
        )
    if root in sys.stdlib_module_names:
        return (
            f"kubefuture: the module {name!r} belongs to Python, but the Python {where} was built without it."
        )
    if file is not None and own and root not in (Path(file).stem, Path(file).name):
        return (
            f"kubefuture: the module {name!r} was read from {own}, which no import finds by that name. Call the file "
            "and the module the same, or let what it holds travel with your functions: "
            f"`import cloudpickle, {root}; cloudpickle.register_pickle_by_value({root})`."
        )
    if own:
        return (
            f"kubefuture: the module {name!r} is this project's own, {own}, which cannot be read {where}. "
            "Put it on a file system that they see, too; or let what it holds travel with your functions: "
            f"`import cloudpickle, {root}; cloudpickle.register_pickle_by_value({root})`."
        )
    if file is None and (stray := _stray(root)) is not None:
        return (
            f"kubefuture: the module {name!r} is this project's own, {_shown(str(stray))}, but its folder is not on "
            f"sys.path. Begin the script with `import sys; sys.path.insert(0, {_shown(str(stray.parent))!r})`, or "
            "move the module beside the script."
        )
    package, known = _package(root)
    unsure = "" if known else " (if that is the package's name)"
    return (
        f"kubefuture: there is no module {name!r} {where}. Add the last of these lines to values.yaml{unsure}, then "
        f"run `make up`; outside of a project: pip install {package}.\n"
        f"packages:\n  pip:\n    - {package}"
    )


def _file(root: str) -> str | None:
    """The file or folder that a module is here; None if there is none."""
    try:
        module = sys.modules.get(root)
        spec = getattr(module, "__spec__", None) if module is not None else importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return getattr(module, "__file__", None)
    if spec.origin is not None and os.path.exists(spec.origin):
        return os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin
    return next(iter(spec.submodule_search_locations or ()), None)


def _stray(root: str) -> Path | None:
    """A module of this name that lies below the present folder, though no import finds it."""
    levels = ["*/" * depth for depth in range(1, _DEPTH + 1)]
    patterns = [level + name for level in levels for name in (f"{root}.py", f"{root}/__init__.py")]
    try:
        found = (path for pattern in patterns for path in Path.cwd().glob(pattern))
        here = (path for path in found if not any(part.startswith(".") for part in path.parts))
        file = next((path for path in here if not is_installed(str(path))), None)
    except OSError:
        return None
    return file.parent if file is not None and file.name == "__init__.py" else file


def _shown(path: str) -> str:
    """A path for people, from the present folder where it is below that."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return path


def _package(root: str) -> tuple[str, bool]:
    """What pip calls the package that a module is in, and whether that is known or a guess."""
    from importlib.metadata import packages_distributions  # it takes as long to load as all of this package

    installed = packages_distributions().get(root)
    if installed:
        return min(installed), True
    return _PACKAGES.get(root, root), root in _PACKAGES


def _requirement(root: str) -> str:
    """The same, in the version that is here."""
    from importlib.metadata import PackageNotFoundError, version

    package, _ = _package(root)
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return package
