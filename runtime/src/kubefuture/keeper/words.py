"""What programs leave behind, in words: how one ended, and the last lines of its log."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

LONGEST_LOG = 10 << 20
"""A log of more bytes is put aside as NAME.log.old when its program is next started by `make up`."""


def ending(name: str, status: int) -> str:
    """How a program ended, as a clause.

    Args:
        name: The program.
        status: As subprocess gives it: the exit code, or minus the signal.
    """
    if status >= 0:
        return f"The {name} ended with exit code {status}"
    try:
        known = signal.Signals(-status).name
    except ValueError:
        known = "an unknown signal"
    return f"The {name} was ended by signal {-status} ({known})"


def last_lines(log: Path, start: int = 0, count: int = 3) -> str:
    """The last lines that were written to a log.

    Args:
        log: The log.
        start: Only what was written after this many bytes.
        count: At most so many lines.
    """
    try:
        with open(log, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start, size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return " | ".join([line.strip() for line in lines if line.strip()][-count:])


def stamp() -> str:
    """The time as it stands in every log, in UTC with milliseconds."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"


def put_aside(log: Path) -> None:
    """Renames a log that has grown too long."""
    try:
        if log.stat().st_size > LONGEST_LOG:
            os.replace(log, log.with_name(log.name + ".old"))
    except OSError:
        # A log that stays long does no harm; one that cannot be written is reported when it is opened.
        pass
