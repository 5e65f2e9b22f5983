"""What has to be right before anything can start, and what a person would want to know.

Each check is a small function that returns what it found: fine, worth knowing, or in the way.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..core.connection import Connection
from ..core.resources import available_cores
from ..core.runtime_dir import make_socket_folder, socket_folder
from ..errors import KubefutureError
from . import deployed, environment, lock, values
from .errors import explain
from .folder import Project
from .launch import refuse_if_down

_LEAST_DISK = 200 << 20
_GOOD_DISK = 1 << 30


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: "ok", "note" (worth knowing) or "stop" (nothing can start).
        words: A sentence, with the next step where there is one.
        up: Whether it is that the workers are up.
    """

    state: str
    words: str
    up: bool = False


def check_all(project: Project) -> Iterator[Finding]:
    """Everything worth knowing about this machine and this project."""
    checks: tuple[Callable[[Project], Finding], ...] = (
        _python,
        _git,
        _values,
        _folder,
        _disk,
        _sockets,
        _cores,
        _memory,
        _packages,
        _deployed,
    )
    return _found(project, checks)


def check_before_up(project: Project) -> Iterator[Finding]:
    """Only what would keep the workers from starting."""
    return _found(project, (_folder, _disk, _sockets))


def _found(project: Project, checks: Iterable[Callable[[Project], Finding]]) -> Iterator[Finding]:
    wanted = _wanted(project)
    for check in checks:
        if check not in _ONLY_HERE or wanted is None or wanted.provider == "local":
            yield check(project)


def _python(project: Project) -> Finding:
    return Finding("ok", f"Python is {platform.python_version()}.")


def _git(project: Project) -> Finding:
    if shutil.which("git") is None:
        return Finding("note", "git is missing; `make update` needs it.")
    if not (project.folder / ".git").exists():
        return Finding("note", "This folder is no git repository; `make update` needs one (git init).")
    return Finding("ok", "git is here, and the project is a repository.")


def _values(project: Project) -> Finding:
    try:
        wanted = values.load(project)
    except KubefutureError as error:
        return Finding("stop", str(error))
    workers = "1 worker" if wanted.count == 1 else f"{wanted.count} workers"
    return Finding("ok", f"values.yaml is right: {workers} on {wanted.provider}.")


def _folder(project: Project) -> Finding:
    place = next(one for one in (project.local, project.state, project.folder) if one.is_dir())
    try:
        # A file without a name, of which nothing is left.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        return Finding("stop", explain(error, place))
    return Finding("ok", f"{project.folder} can be written.")


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.folder).free
    words = f"{free / (1 << 30):.1f} GiB are free on the disk of this project"
    if free < _LEAST_DISK:
        return Finding(
            "stop", f"The disk is full: only {free >> 20} MiB are free in {project.folder}. Free 1 GiB."
        )
    return (
        Finding("note", f"{words}; packages may need more.")
        if free < _GOOD_DISK
        else Finding("ok", f"{words}.")
    )


def _sockets(project: Project) -> Finding:
    folder = socket_folder(project.folder)
    existed, shared_existed = folder.exists(), folder.parent.exists()
    try:
        make_socket_folder(project.folder)
        usable = os.access(folder, os.W_OK | os.X_OK)
    except KubefutureError as error:
        return Finding("stop", str(error))
    finally:
        if not existed and folder.exists():
            folder.rmdir()
        if not shared_existed:
            with contextlib.suppress(OSError):  # another project of this user's needs it by now
                folder.parent.rmdir()
    if not usable:
        return Finding(
            "stop", f"Sockets cannot be made in {folder}: it is not writable. Run: chmod u+rwx {folder}"
        )
    return Finding("ok", f"Sockets can be made in {folder}.")


def _cores(project: Project) -> Finding:
    cores = available_cores()
    wanted = _wanted(project)
    if wanted is not None and wanted.count > cores:
        return Finding(
            "note",
            f"workers.count is {wanted.count} on {cores} cores: more workers than cores are not faster.",
        )
    return Finding("ok", f"{cores} cores can be used.")


def _memory(project: Project) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    words = f"This machine has {total / (1 << 30):.1f} GiB of memory"
    wanted = _wanted(project)
    if wanted is not None and wanted.count * wanted.memory > total:
        asked = wanted.count * wanted.memory / (1 << 30)
        return Finding("note", f"{words}, and the workers together may use {asked:.1f} GiB.")
    return Finding("ok", f"{words}.")


def _packages(project: Project) -> Finding:
    wanted = _wanted(project)
    if wanted is None:
        return Finding("note", "Packages were not looked at, since values.yaml is not right.")
    try:
        if not lock.is_current(project, lock.inputs(project, wanted)):
            return Finding(
                "note", "requirements.lock is older than the packages asked for; `make up` compiles it."
            )
        why = environment.outdated(project)
    except (KubefutureError, OSError) as error:
        return Finding("stop", str(error))
    if why:
        return Finding("note", f"The environment .venv will be made by `make up`: {why}.")
    return Finding("ok", "The environment .venv has the packages of requirements.lock.")


def _deployed(project: Project) -> Finding:
    try:
        records = deployed.read_all(project)
    except KubefutureError as error:
        return Finding("stop", str(error))
    if not records:
        return Finding("ok", "Nothing is up.")
    told = "; ".join(f"{one.provider} since {one.since} on {one.where}" for one in records)
    if project.connection_file.exists():
        try:
            Connection.load(project.connection_file)
        except KubefutureError as error:
            return Finding("note", str(error))
    try:
        refuse_if_down(project)
    except KubefutureError:
        return Finding("note", f"What was started does not answer: {told}. `make up` starts it again.")
    return Finding("ok", f"Up is {told}.", up=True)


def _wanted(project: Project) -> values.Values | None:
    try:
        return values.load(project, keep=False)  # `make up CHECK=1` looks, too, and writes nothing
    except KubefutureError:
        return None


_ONLY_HERE = (_sockets, _cores, _memory)
"""What matters only where the workers are on this machine."""
