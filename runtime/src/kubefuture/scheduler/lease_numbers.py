"""Numbers for leases that no scheduler before has given, whatever the clock says (R7).

Workers outlive schedulers, and name what they bring along by number. The clock alone would do, were it never set back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..core.files import replace_text

_ENOUGH = 1 << 36
"""A scheduler that gives 20,000 leases a second needs forty days for so many."""

_HIGHEST = 1 << 62


def first_lease(path: Path, log: Callable[[str], None]) -> int:
    """The number of a scheduler's first lease: the time in nanoseconds, or what follows the last scheduler's.

    Args:
        path: Remembers it for the next one.
        log: Takes one line for the log.
    """
    try:
        last = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        last = 0
    first = max(time.time_ns(), last + _ENOUGH if 0 < last < _HIGHEST else 0)
    try:
        replace_text(path, f"{first}\n")
    except OSError as error:
        log(f"the number of the first lease cannot be recorded in {path}: {error}")
    return first
