"""Ends a project's keeper and all it started, and proves it.

Works without the keeper, after `kill -9` and after a reboot, and in any environment: it needs only
Python's own library.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from ..project.errors import explain
from ..project.proof import Proof
from . import life, processes
from .places import Places
from .proof import look

KEEPER_SECONDS = 20.0
"""How long a keeper may take to end its programs one after the other, before it is killed."""

_KILL_SECONDS = 30.0
"""How long a busy machine may take to end it then."""


def stop(places: Places, *, patience: float = KEEPER_SECONDS) -> Proof:
    """Ends everything.

    Args:
        places: The keeper's files.
        patience: Seconds for the keeper to end by itself.

    Returns:
        What was looked at afterwards, and what is left.
    """
    end_keeper(places, patience)
    try:
        processes.end(lambda: processes.of_project(places.folders, places.state))
    except processes.CannotLook:
        # The proof says so.
        pass
    problem = _clear(places)
    proof = look(places)
    if problem:
        proof.unchecked.append(problem)
    return proof


def end_keeper(places: Places, patience: float = KEEPER_SECONDS) -> bool:
    """Ends the keeper, which ends its programs. One that does not listen is killed, and they notice.

    Returns:
        Whether there was one.
    """
    found = overdue = False
    deadline = time.monotonic() + patience
    told = 0
    while (pid := life.holder(places.life)) is not None:
        found = True
        late = time.monotonic() > deadline
        if late and overdue:
            break
        if late:  # from now on, however late it is
            overdue, deadline = True, time.monotonic() + max(patience, _KILL_SECONDS)
        if pid and (pid != told or overdue):
            _send_to_holder(places, pid, signal.SIGKILL if overdue else signal.SIGTERM)
            told = pid
        time.sleep(0.02)
    return found


def _send_to_holder(places: Places, pid: int, number: int) -> None:
    """Sends a signal to the process that holds the lock, and to no other that has its number now."""
    if sys.platform != "linux":
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # It held the lock after we had a handle on it, so the handle is on the right process.
        if life.holder(places.life) == pid:
            signal.pidfd_send_signal(handle, number)
            # One that was stopped (Ctrl-Z, kill -STOP) would not notice before it goes on.
            signal.pidfd_send_signal(handle, signal.SIGCONT)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _clear(places: Places) -> str:
    """Removes stale files, unless a keeper lives."""
    try:
        if not places.project.local.is_dir():
            places.clear()
            return ""
        handle = life.take(places.life)
        if handle is None:
            return ""
        try:
            places.clear()
            places.life.unlink(missing_ok=True)
        finally:
            os.close(handle)
    except OSError as error:
        return explain(error)
    return ""
