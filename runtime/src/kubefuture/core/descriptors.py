"""Sees to it that there are file descriptors before they are needed: without any, libuv ends the whole program."""

from __future__ import annotations

import os
import resource

from ..errors import StartError

_NEEDED = 32
"""So many are enough for an event loop, a connection, and what is read while they are made."""


def require_descriptors() -> None:
    """Looks whether some can be had.

    Raises:
        StartError: There are too few.
    """
    handles: list[int] = []
    try:
        for _ in range(_NEEDED):
            handles.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        raise StartError(
            f"{error.strerror}: this process needs {_NEEDED} more, and may have {limit} open. Close some that it has "
            "open, or allow it more: `ulimit -n 4096` in the shell that starts it."
        ) from None
    finally:
        for handle in handles:
            os.close(handle)
