"""Runs one element in a process that is not its own: the caller's, or a worker of Dask.

Such a process has generators and thread pools that others use, too: they are left as they were found.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from .context import current_element, inside
from .elements import FunctionRunner, overrun
from .raised import pack_exception
from .resources import limited_threads
from .rng import globals_kept


class Outcome(NamedTuple):
    """How an element ended.

    Attributes:
        payload: Its packed result or exception.
        raised: Whether it is the exception.
    """

    payload: bytes
    raised: bool


def run_packed(
    runner: FunctionRunner,
    index: int,
    payload: bytes,
    retries: int,
    process: str = "",
    again: Callable[[], object] | None = None,
) -> tuple[Outcome, bool]:
    """Runs an element as a slot would, again if it raises.

    Nothing can stop it: one that ran longer than it may fails when it is done.

    Args:
        runner: Its function.
        index: Its index.
        payload: Its packed arguments.
        retries: How often it may run again.
        process: What to say of this process, for the message of an error.
        again: Called before it runs again.

    Returns:
        How it ended, and whether it was seen to draw from the global generators without a seed (R25).
    """
    outer = current_element()
    seeded = outer is not None and outer.root is not None  # then the global generators are, too
    outcome, drew = Outcome(b"", False), False
    for attempt in range(retries + 1):
        if attempt and again is not None:
            again()
        started, before = time.monotonic(), None if seeded else runner.watch()
        element, content = runner.element(index, payload)
        with ExitStack() as stack:
            stack.enter_context(inside(element))
            stack.enter_context(limited_threads())
            if element.root is not None:
                stack.enter_context(globals_kept())
            try:
                outcome = Outcome(runner.run(element.root, content), False)
                if runner.limit and time.monotonic() - started > runner.limit:
                    raise overrun(index, runner.limit)
            except (Exception, SystemExit) as error:
                outcome = Outcome(pack_exception(error, runner.place(payload, process)), True)
        drew = (before is not None and runner.drew(before)) or drew
        if not outcome.raised:
            break
    return outcome, drew
