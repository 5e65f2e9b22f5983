"""Starts a project's keeper and returns when everything is ready, or says why it cannot be.

make folders ─> take the lock ─> end strays ─> check the socket ─> write slots and connection ─> keeper
                   │ held: the one that lives is kept if it does what is wanted, else it is ended first
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.connection import Connection
from ..core.runtime_dir import make_socket_folder
from ..core.slots_file import write_slots
from ..errors import KubefutureError
from ..project.errors import ProjectError, explain
from ..project.folder import Project
from . import key, life, processes, words
from .daemon import PROJECT_VARIABLE
from .places import Places
from .programs import Plan
from .sockets import refuse_stranger
from .stop import end_keeper

_SERVE = (sys.executable, "-P", "-m", "kubefuture", "keeper", "serve")

_NOT_INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables of the command that happens to start the keeper, which say nothing about its programs."""

_RECOVERY_SECONDS = 3.0
"""A keeper that still rests after this is replaced, so that the reason reaches who asked for the start."""


@dataclass(frozen=True)
class Started:
    """How it went.

    Attributes:
        was_up: Everything was up already and is as wanted.
        mended: Everything was up, but nothing could reach it: its connection file was damaged.
        replaced: A keeper with other settings, packages or source was ended first.
        scaled: Everything was up, but with another number of slots.
    """

    was_up: bool
    mended: bool
    replaced: bool
    scaled: bool


def start(places: Places, plan: Plan, slots: int, *, rescale: Callable[[Connection, int], object]) -> Started:
    """Brings the project's programs up.

    Args:
        places: The keeper's files.
        plan: What to keep.
        slots: The wanted number of slots.
        rescale: Asks a running scheduler for another number of slots.

    Raises:
        ProjectError: They cannot be started; nothing is left running then.
    """
    project = places.project
    replaced = False
    try:
        project.logs.mkdir(parents=True, exist_ok=True)
        while (lock := life.take(places.life)) is None:
            if _is_as_wanted(places, plan):
                mended = key.mend(places)
                scaled = _rescale(places, slots, rescale)
                return Started(was_up=True, mended=mended, replaced=False, scaled=scaled)
            replaced = end_keeper(places) or replaced
        try:
            _make_ready(places, slots)
            _run(places, plan, lock)
        except BaseException:
            # A keeper that could still speak has cleared away itself, and its lock's file is gone.
            if life.is_held(places.life, lock):
                _clear_after_failure(places)
            raise
        finally:
            os.close(lock)
    except KubefutureError:
        # Some of ours are errors of the operating system, too, and have their sentence already.
        raise
    except OSError as error:
        raise ProjectError(f"Nothing was started. {explain(error, project.local)}") from None
    return Started(was_up=False, mended=False, replaced=replaced, scaled=False)


def _is_as_wanted(places: Places, plan: Plan) -> bool:
    """Whether the keeper that lives does what is wanted, and everything it keeps is ready.

    One that is just starting is given the time that a start may take, and one whose programs have
    crashed a moment to start them again.
    """
    began = time.monotonic()
    patience = plan.start_limit
    while life.holder(places.life) is not None and time.monotonic() < began + patience:
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads(places.state.read_bytes())
            if state["digest"] != plan.digest:
                return False
            if state["ready"]:
                return True
            if state["was_up"]:
                patience = _RECOVERY_SECONDS
        time.sleep(0.05)
    return False


def _rescale(places: Places, slots: int, rescale: Callable[[Connection, int], object]) -> bool:
    if places.slots == slots:
        return False
    rescale(Connection.load(places.project.connection_file), slots)
    return True


def _make_ready(places: Places, slots: int) -> None:
    """Clears what is stale and writes what the programs read. The caller holds the keeper's lock."""
    project = places.project
    try:
        stubborn = processes.end(lambda: processes.of_project(places.folders, places.state))
    except processes.CannotLook:
        stubborn = []
    if stubborn:
        raise ProjectError(f"Left over from before, and cannot be ended: {', '.join(map(str, stubborn))}.")
    # First, because it refuses a folder that another user has made there.
    make_socket_folder(project.folder)
    refuse_stranger(places.socket)
    places.clear()
    make_socket_folder(project.folder)
    for log in project.logs.glob("*.log"):
        words.put_aside(log)
    write_slots(project.slots_file, slots)
    key.write(places)


def _run(places: Places, plan: Plan, lock: int) -> None:
    read, write = os.pipe()
    try:
        log = os.open(places.log("keeper"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        log_start = os.fstat(log).st_size
        try:
            process = subprocess.Popen(
                [*_SERVE, "--lock-fd", str(lock), "--report-fd", str(write)],
                cwd=places.project.folder,
                env=_environment(os.environ, places.project),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(lock, write),
                start_new_session=True,
            )
        finally:
            os.close(log)
    finally:
        os.close(write)
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(plan.to_json().encode())
        report = _wait(read)
    except BaseException:
        # Ctrl-C, most likely: what was begun is ended.
        process.terminate()
        process.wait()
        raise
    finally:
        os.close(read)
    if "up" in report:
        # It lives on; that we do not wait for it is meant.
        process.returncode = 0
        return
    process.wait()
    reason = report.get("error") or f"The keeper crashed: {words.last_lines(places.log('keeper'), log_start)}"
    logs = places.project.logs.relative_to(places.project.folder)
    raise ProjectError(f"Nothing was started. {reason.rstrip('.')}. The logs are in {logs}.")


def _wait(read: int) -> Mapping[str, str]:
    said = b""
    while not said.endswith(b"\n"):
        piece = os.read(read, 65536)
        if not piece:
            return {}
        said += piece
    content: dict[str, str] = json.loads(said)
    return content


def _clear_after_failure(places: Places) -> None:
    try:
        places.clear()
        places.life.unlink(missing_ok=True)
    except OSError:
        # The start failed already, and its reason is what matters.
        pass


def _environment(ours: Mapping[str, str], project: Project) -> dict[str, str]:
    kept = {
        name: value
        for name, value in ours.items()
        if name not in _NOT_INHERITED and not name.startswith(("KUBEFUTURE_", "ANSIBLE_"))
    }
    return {**kept, PROJECT_VARIABLE: str(project.folder)}
