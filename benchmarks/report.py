"""The tables, and the machine they were measured on."""

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
median, and their quartiles in brackets (with fewer than four rounds, the extremes). What each question
measures is in [CONTRIBUTING.md](../CONTRIBUTING.md#benchmarks).

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


def tables(rows: list[Row]) -> str:
    """The rows as Markdown: those with a bar, those beside them, and what could not be measured."""
    barred = [row for row in rows if row.bar is not None and row.values]
    others = [row for row in rows if row.bar is None and row.values]
    lines = []
    if barred:
        lines += ["| question | ours | peer | measured | bar | reached |", "|---|---|---|---|---|---|"]
        lines += [f"| {_cells(row)} | {_bar(row)} | {_reached(row)} |" for row in barred]
    if others:
        lines += ["", "Beside them, without a bar:", ""]
        lines += ["| question | ours | peer | measured |", "|---|---|---|---|"]
        lines += [f"| {_cells(row)} |" for row in others]
    notes = [f"{row.question}: {row.note}." for row in rows if row.note and row.values]
    for block in (notes, _not_measured(rows)):
        if block:
            lines += ["", *block]
    return "\n".join(lines).lstrip("\n") + "\n"


def _cells(row: Row) -> str:
    low, high = row.quartiles
    digits = 2 if abs(row.median) < 10 else 1 if abs(row.median) < 100 else 0
    measured = f"{row.median:,.{digits}f}{row.unit}"
    if len(row.values) > 1:
        measured += f" ({low:,.{digits}f} to {high:,.{digits}f})"
    return f"{row.question} | {row.ours} | {row.peer} | {measured}"


def _bar(row: Row) -> str:
    return f"{'>=' if row.at_least else '<='} {row.bar:,g}{row.unit}"


def _reached(row: Row) -> str:
    return "yes" if row.reached else "**no**"


def _not_measured(rows: list[Row]) -> list[str]:
    """Who or what is missing, why, and in which questions."""
    questions: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if not row.values:
            questions.setdefault((row.peer or "ours", row.note), []).append(row.question)
    return [
        f"- **Not measured**: {who} ({why}), in {', '.join(asked)}."
        for (who, why), asked in questions.items()
    ]


def write(path: Path, rows: list[Row]) -> None:
    """Writes the whole page."""
    path.write_text(_HEAD.format(machine=machine()) + tables(rows), encoding="utf-8")
