"""What a map is called in the journal: its own name, or its place in the run that it is part of (R5)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from ..client.named import Naming
from ..core import rng
from .options import Options

RUN = "KUBEFUTURE_RUN"
"""The variable that names a run. Every map of its main thread is named after it and its place in it."""

_places = count(1)


def naming_of(function: Callable[..., Any], options: Options) -> Naming | None:
    """How a map is named, None for one that is not.

    Args:
        function: What its elements call.
        options: The map's.
    """
    name, run = options.name, os.environ.get(RUN, "")
    again = False
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
    return f"a list of {len(seed)}" if rng.is_list(seed) else repr(seed)
