"""What the user is told without having asked: one line on standard error."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(sentence: str) -> None:
    """Tells the user something; nobody hears it where standard error is closed, and nothing else happens.

    Args:
        sentence: Without its full stop.
    """
    with suppress(OSError, ValueError):
        print(f"kubefuture: {sentence}.", file=sys.stderr, flush=True)
