"""The table, and the machine it was measured on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

from .measurement import Row

_HEAD = """# Results of `make bench`

{machine}

Ours and the peer took turns, in one run. Ratios are ours / peer, formed for each round by itself: their
median, and their quartiles in brackets (with fewer than four rounds, the extremes). Peers:
`ProcessPoolExecutor` with 2 workers for round trips and tasks a second, two plain processes for the means.

"""


def machine() -> str:
    """One sentence: what was measured on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "numpy", "uvloop"))
    cores = f"{len(os.sched_getaffinity(0))} cores ({_processor()})"
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{datetime.date.today()}: {cores}, {system}, Python {platform.python_version()}, {libraries}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| question | ours | peer | measured | bar | reached |", "|---|---|---|---|---|---|"]
    for row in rows:
        low, high = row.quartiles
        unit, digits = row.unit, 1 if row.unit else 2
        measured = f"{row.median:.{digits}f}{unit}"
        if len(row.values) > 1:
            measured += f" ({low:.{digits}f} to {high:.{digits}f})"
        bar = f"{'>=' if row.at_least else '<='} {row.bar:g}{unit}"
        reached = "yes" if row.reached else "**no**"
        lines.append(f"| {row.question} | {row.ours} | {row.peer} | {measured} | {bar} | {reached} |")
    notes = [f"{row.question}: {row.note}." for row in rows if row.note]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def write(path: Path, rows: list[Row]) -> None:
    """Writes the whole page."""
    path.write_text(_HEAD.format(machine=machine()) + table(rows), encoding="utf-8")
