""".venv: the environment for the user's code, exactly what requirements.lock says.

    requirements.lock ──uv venv, uv pip sync──> .venv.new ──(end what runs on the old one)──> .venv

A new environment is made beside the old one and takes its place when it is whole: whatever goes
wrong, the old one can still be used. Packages come from uv's cache as links, so this takes little
more than changing the old one would. It can be moved together with its project.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from . import uv
from .errors import ProjectError, explain
from .folder import Project
from .progress import Step

STAMP = "kubefuture-lock.sha256"
"""Holds the digest of the lock that the environment was made from; written last, read by handshakes (R12)."""


def outdated(project: Project, lock: str | None = None) -> str:
    """Why the environment has to be made anew, or an empty string.

    Args:
        project: The project, whose lock is current.
        lock: What the lock is going to be; None for what it is.
    """
    venv = project.venv
    if not venv.exists():
        return "it is the first"
    if not project.venv_python.exists():
        return "its Python is gone"
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    there = _python_minor(venv)
    if there != here:
        return f"it has Python {there or 'of an unknown version'}, and the tools have {here}"
    try:
        recorded = (venv / STAMP).read_text(encoding="utf-8").strip()
    except OSError:
        return "it is not whole"
    wanted = _lock_digest(project) if lock is None else hashlib.sha256(lock.encode()).hexdigest()
    return "" if recorded == wanted else "the packages changed"


def refresh(project: Project, *, before_swap: Callable[[], None]) -> str:
    """Makes the environment what the lock says.

    Args:
        project: The project, whose lock is current.
        before_swap: Called when the new environment is whole, before the old one goes; ends what
            runs on the old one.

    Returns:
        Why it was made anew, or an empty string if it was current.

    Raises:
        ProjectError: It could not be made; the old one is as it was.
    """
    why = outdated(project)
    if not why:
        return ""
    refuse_foreign(project)
    new, old = project.folder / ".venv.new", project.folder / ".venv.old"
    try:
        _remove(new)
        _make(project, new)
        before_swap()
        _remove(old)
        if project.venv.is_symlink():
            project.venv.unlink()
        elif project.venv.exists():
            project.venv.rename(old)
        new.rename(project.venv)
        _remove(old)
    except OSError as error:
        raise ProjectError(f"The environment could not be made. {explain(error, project.venv)}") from None
    finally:
        _remove(new, quietly=True)
    return why


def refuse_foreign(project: Project) -> None:
    """Sees that an environment that is there may be replaced.

    Raises:
        ProjectError: Somebody else made it.
    """
    if project.venv.exists() and not _is_ours(project.venv):
        raise ProjectError(
            f"{project.venv} was not made by `make up`, so it is left alone. "
            "Move it away (mv .venv .venv.mine) and try again."
        )


def _make(project: Project, venv: Path) -> None:
    python = base_python()
    with Step("Making the Python environment") as step:
        doing = "The environment could not be made, and the old one, if any, is unchanged"
        options = ["--quiet", "--relocatable", "--no-project", "--prompt", project.name, "--python", python]
        uv.run(project, ["venv", *options, venv], doing=doing, step=step)
        packages = next((venv / "lib").glob("python*")) / "site-packages"
        link_runtime(packages)
        doing = "The packages could not be installed, and the old environment, if any, is unchanged"
        sync = ["pip", "sync", "--require-hashes", "--python", f"{venv}/bin/python", str(project.lock_file)]
        try:
            uv.run(project, sync, doing=doing, step=step)
        except uv.UvError as error:
            if "no version of" not in error.reason:
                raise
            # What uv remembers of the package index can be older than the lock, as when a version came out just now.
            uv.run(project, [*sync, "--refresh"], doing=doing, step=step)
    (venv / STAMP).write_text(_lock_digest(project) + "\n", encoding="utf-8")


def link_runtime(packages: Path) -> None:
    """Makes the project's runtime importable, by a path that stays right when the project moves.

    Args:
        packages: The environment's site-packages, in PROJECT/.venv/lib/pythonX.Y.
    """
    (packages / "kubefuture.pth").write_text("../../../../runtime/src\n", encoding="utf-8")


def base_python() -> str:
    """The Python that the tools' environment was made with."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _python_minor(venv: Path) -> str:
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip() in ("version", "version_info"):
            return ".".join(value.strip().split(".")[:2])
    return ""


def _lock_digest(project: Project) -> str:
    return hashlib.sha256(project.lock_file.read_bytes()).hexdigest()


def _is_ours(venv: Path) -> bool:
    return (venv / STAMP).exists()


def _remove(folder: Path, *, quietly: bool = False) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder, ignore_errors=quietly)
