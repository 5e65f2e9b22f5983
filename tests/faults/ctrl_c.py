"""Ctrl-C while elements stand at a checkpoint."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .checkpoint import Checkpoint, Visit


@contextmanager
def pressed_at(checkpoint: Checkpoint, elements: int) -> Iterator[list[Visit]]:
    """Presses Ctrl-C when so many elements are at the checkpoint; the block has to end with it.

    Args:
        checkpoint: Where they stop.
        elements: How many.

    Returns:
        Their visits, once the block has ended.
    """
    visits: list[Visit] = []

    def press() -> None:
        visits.extend(checkpoint.take(elements))
        os.kill(os.getpid(), signal.SIGINT)

    hand = threading.Thread(target=press)
    hand.start()
    with pytest.raises(KeyboardInterrupt):
        yield visits
    hand.join()
