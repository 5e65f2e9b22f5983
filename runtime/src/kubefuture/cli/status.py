"""`status`: a calm table of the workers and what they are doing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..core.connection import Connection
from ..project.folder import Project
from ..project.launch import refuse_if_down

IN_VENV = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options, of which there are none."""


def check(project: Project, options: argparse.Namespace) -> int | None:
    """Says that nothing is up, which needs no environment; there may be none yet."""
    if project.connection_file.exists():
        return None
    print(f"{project.name}: nothing is up. Start the workers with: make up")
    return 0


def run(project: Project, options: argparse.Namespace) -> int:
    """Prints the table."""
    from ..client.control import fetch_status

    refuse_if_down(project)
    status = fetch_status(Connection.load(project.connection_file))
    slots = sum(worker.slots for worker in status.workers)
    busy = sum(worker.busy for worker in status.workers)
    print(f"{project.name}: up for {duration(status.uptime_s)} on {status.host}, Python {status.python}")
    print(f"  workers   {status.wanted_slots} wanted, {slots} connected, {busy} busy")
    print(f"  elements  {status.queued} waiting, {status.running} running, {status.done} done")
    print(f"  programs  {status.sessions} connected, scheduler is process {status.scheduler_pid}")
    if status.workers:
        rows = [("supervisor", "host", "process", "workers", "busy", "connected for")]
        rows += [
            (
                worker.name,
                worker.host,
                str(worker.pid),
                str(worker.slots),
                str(worker.busy),
                duration(worker.connected_s) + (", does not answer" if worker.away else ""),
            )
            for worker in status.workers
        ]
        print()
        print("\n".join(table(rows)))
    return 0


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def duration(seconds: float) -> str:
    """A time span as people say it: the largest unit, and the next one where it matters."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
