"""What a map is called in the journal: its own name, or its place in the run that it is part of (R5)."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from ..client.named import Naming
from ..core import rng
from ..core.run_lock import RunLock
from .options import Options

RUN = "KUBEFUTURE_RUN"
"""The variable that names a run. Every map of its main thread is named after it and its place in it."""

_run = os.environ.pop(RUN, "")
"""The run that this program is. Programs that it starts, and its forks, are not that run."""

_lock: RunLock | None = None


def _forked() -> None:
    global _run
    _run = ""


os.register_at_fork(after_in_child=_forked)

_places = count(1)


def hold_run() -> None:
    """This program is its run now, and no other one is.

    Raises:
        NamedMapError: Another one is.
    """
    global _lock
    _lock = _lock or RunLock(_run)


def naming_of(function: Callable[..., Any], options: Options) -> Naming | None:
    """How a map is named, None for one that is not.

    Args:
        function: What its elements call.
        options: The map's.
    """
    name, run, again = options.name, _run, False
    if name is None and run and threading.current_thread() is threading.main_thread():
        name, again = f"{run}/{next(_places)}", True
    if name is None:
        return None
    function_name = getattr(function, "__qualname__", None) or repr(function)
    return Naming(name, function_name, _seed_text(options.seed), time.time(), again)


def _seed_text(seed: rng.Seed) -> str:
    """A seed argument for people, and to compare it."""
    if seed is None:
        return ""
    if not rng.is_list(seed):
        return repr(seed)
    digest = hashlib.sha256("\n".join(map(repr, seed)).encode()).hexdigest()
    return f"a list of {len(seed)} ({digest[:12]})"
