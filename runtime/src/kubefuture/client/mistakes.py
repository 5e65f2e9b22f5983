"""Mistakes of kubefuture's own, as whoever waits is told of them."""

from __future__ import annotations

import traceback

from ..errors import KubefutureError


def declared(error: Exception) -> KubefutureError:
    """The error for people. What is no error of ours is a mistake of ours, and its traceback is printed."""
    if isinstance(error, KubefutureError):
        return error
    traceback.print_exception(error)
    return KubefutureError(
        f"The connection to the scheduler was ended by a mistake in kubefuture: {error!r}. "
        "Its traceback is in what the program printed; please report it."
    )
