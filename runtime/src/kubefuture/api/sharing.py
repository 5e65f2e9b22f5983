"""share: data that many calls use, sent once."""

from __future__ import annotations

from typing import TypeVar

from ..core.packing import pack_shared
from .folding import fold

T = TypeVar("T")


@fold
def share(x: T) -> T:
    """Makes large data cheap to use in many calls, as what functions capture or as arguments.

    The arrays, frames and bytes of more than 1 MiB in it are copied once into memory that nobody can change,
    and hashed once. From then on they, and parts of them, are only referred to: each worker gets them once,
    and its slots map them. Without it, what a function captured is copied and hashed again for each call,
    since it may have been changed, and arguments are sent with each element.

    Args:
        x: Anything that can be packed: an array, a data frame, a dict of arrays, ...

    Returns:
        The same, with read-only arrays; `x` itself if nothing in it is large. It is given back to the system
        when nothing uses it any more. Shared bytes are kept until the program ends.

    Raises:
        UnpicklableError: It cannot be sent.
    """
    return pack_shared(x)
