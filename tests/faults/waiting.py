"""Waiting for something to become true, never for time to pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

LIMIT = 240.0
"""Seconds after which what a test waits for is not going to happen."""

_LOOK_AGAIN = 0.005

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str, limit: float = LIMIT) -> T:
    """Waits until a condition holds.

    Args:
        condition: Asked again and again; it holds when it returns something true.
        what: For the failure: `what` did not happen.
        limit: Seconds until the test fails.

    Returns:
        What the condition returned.
    """
    end = time.monotonic() + limit
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen within {limit:.0f} s"
        pause.wait(_LOOK_AGAIN)
    return found
