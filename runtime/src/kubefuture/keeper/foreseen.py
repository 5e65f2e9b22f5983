"""What starting or stopping the programs on this machine would change. Only looks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from ..project.changes import Change
from ..project.errors import ProjectError
from . import key, life, processes
from .places import Places
from .programs import Plan
from .proof import files_of, sockets_in
from .sockets import refuse_stranger


def start(places: Places, plan: Plan, slots: int, *, anew: bool) -> Iterator[Change]:
    """What `keeper start` would change.

    Args:
        places: The keeper's files.
        plan: What it is to keep.
        slots: How many slots there are to be.
        anew: Whether what runs is ended before, since its environment is made anew.

    Raises:
        ProjectError: Nothing could be started.
    """
    workers = "1 worker" if slots == 1 else f"{slots} workers"
    if life.holder(places.life) is None:
        refuse_stranger(places.socket)
        yield Change("the workers", f"would start {workers} on this machine")
        return
    if anew or not _is_as_wanted(places, plan):
        why = "their settings, packages or source have changed, or they do not work"
        words = f"would end the workers that run, since {why}, and start {workers}"
        yield Change("the workers", words)
        return
    if key.mend(places, check=True):
        yield Change("the connection file", "would write .kubefuture/connection.json anew, which is damaged")
    if places.slots != slots:
        yield Change("the workers", f"would change the number of workers: {places.slots} → {slots}")


def stop(places: Places) -> Iterator[Change]:
    """What `keeper stop` would end and remove.

    Raises:
        ProjectError: It cannot be told.
    """
    try:
        running = processes.of_project(places.folders, places.state)
        sockets = [path for folder in places.socket_folders for path in sockets_in(folder)]
    except (processes.CannotLook, OSError) as error:
        raise ProjectError(f"It cannot be told what runs: {error}.") from None
    if running:
        pids = ", ".join(str(one.pid) for one in running)
        yield Change("the workers", f"would end keeper, scheduler and workers, the processes {pids}")
    there = [path for path in files_of(places) if os.path.lexists(path)]
    if there or sockets:
        names = [str(path.relative_to(places.project.folder)) for path in there]
        yield Change(
            "their files", f"would remove what belongs to them: {', '.join([*names, *map(str, sockets)])}"
        )


def _is_as_wanted(places: Places, plan: Plan) -> bool:
    """As it is now; whoever starts something gives programs that are just starting some time."""
    try:
        state = json.loads(places.state.read_bytes())
        return state["digest"] == plan.digest and bool(state["ready"])
    except (OSError, ValueError, KeyError):
        return False
