"""Waiting for something that may take long, but never without a word (R23)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .notice import say
from .settings import QUIET_SECONDS


def wait_until(condition: threading.Condition, done: Callable[[], bool], why: Callable[[], str]) -> None:
    """Waits; after a while says once what for.

    Args:
        condition: Notified when `done` may have changed. Its lock is held.
        done: What is waited for.
        why: Asked after 10 s for a sentence without its full stop; an empty one is not said.
    """
    quiet_until = time.monotonic() + QUIET_SECONDS
    while not done():
        left = quiet_until - time.monotonic()
        if left > 0.0:
            condition.wait(left)
            continue
        sentence = why()
        if sentence:
            say(sentence)
        while not done():
            condition.wait()
