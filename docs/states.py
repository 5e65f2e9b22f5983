"""Draws the states of the runtime's parts, from the tables in its code.

tables ──> picture() ──> docs/images/states-*.svg
       ──> page() ─────> docs/explanation/state-machines.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import Any

from kubefuture.keeper.supervision import PHASES, Phase
from kubefuture.machine.progress import PROGRESS, Progress
from kubefuture.machine.slots import STAGES, Stage
from kubefuture.scheduler.party import PRESENCES, Presence

_COLUMN, _ROW, _HEAD, _MARGIN = 170, 40, 76, 16

_STYLE = """\
    .card { fill: #ffffff; stroke: #d5dbe3; }
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #24303f; }
    .name { font-size: 14px; font-weight: 600; text-anchor: middle; }
    .when { font-size: 12.5px; text-anchor: middle; paint-order: stroke; stroke: #ffffff; stroke-width: 5px; }
    .state { fill: #e3eefb; stroke: #3f76b5; }
    .line { stroke: #d5dbe3; }
    .flow { stroke: #4a5a70; fill: none; }
    .head { fill: #4a5a70; }
    @media (prefers-color-scheme: dark) {
      .card { fill: #1b222c; stroke: #3a4656; }
      text { fill: #e6ebf2; }
      .when { stroke: #1b222c; }
      .state { fill: #22384f; stroke: #6aa3e0; }
      .line { stroke: #3a4656; }
      .flow { stroke: #b4c0d0; }
      .head { fill: #b4c0d0; }
    }
"""

_INTRODUCTION = """\
<!-- Made by docs/states.py from tables in the runtime: .venv/bin/python -m docs.generate -->

# States

The parts that can be in several states, drawn from the tables in the code that the transitions are checked against.
In each picture the columns are the states, and each arrow is one transition: what it leads from and to, and when.
[What happens when something dies](when-something-dies.md) tells the same from your side.
"""


@dataclass(frozen=True)
class Machine:
    """One kind of thing that has states.

    Attributes:
        key: Names its picture.
        title: What it is.
        text: What there is to know, before the picture.
        source: Where the table is.
        table: What may follow what, and when it does.
    """

    key: str
    title: str
    text: str
    source: str
    states: type[Enum]
    table: Mapping[tuple[Any, Any], str]


MACHINES = [
    Machine(
        "session",
        "A session, and a worker",
        "Whoever talks with the scheduler does so in a conversation that outlives its connections. That of a script is "
        "its session. A worker that is away is waited for 30 seconds, a script 24 hours; but neither is waited for "
        "when its process is known to be dead, or its pod to be gone. When a session is over its unnamed work is "
        "cancelled; when a worker's is, its elements are queued again.",
        "scheduler/party.py",
        Presence,
        PRESENCES,
    ),
    Machine(
        "element",
        "An element",
        "One call of your function. That it is retried, or runs again because its slot died, is no state of its own: "
        "it is queued again, and its trouble is counted.",
        "machine/progress.py",
        Progress,
        PROGRESS,
    ),
    Machine(
        "slot",
        "A slot",
        "A slot is a place for one process after another. Work is leased to it only while it is ready.",
        "machine/slots.py",
        Stage,
        STAGES,
    ),
    Machine(
        "program",
        "A program of the keeper",
        "The keeper starts the scheduler and then the supervisor. One that exits later is started again, after a pause "
        "that grows from a tenth of a second to ten.",
        "keeper/supervision.py",
        Phase,
        PHASES,
    ),
]


def page() -> str:
    """The page, as Markdown."""
    parts = [_INTRODUCTION]
    for machine in MACHINES:
        names = ", ".join(state.value for state in machine.states)
        parts.append(
            f"## {machine.title}\n\n{machine.text}\n\n"
            f"![The states {names}. Below, each transition is in words.](../images/states-{machine.key}.svg)\n\n"
            f"| from | to | when |\n|---|---|---|\n{_rows(machine)}\n\nThe table is in `{machine.source}`.\n"
        )
    return "\n".join(parts)


def picture(machine: Machine) -> str:
    """The picture of one table: a column for each state, a row for each transition."""
    states = list(machine.states)
    width = 2 * _MARGIN + _COLUMN * len(states)
    height = _HEAD + _ROW * len(machine.table) + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"  <title>{escape(machine.title)}</title>",
            f"  <style>\n{_STYLE}  </style>",
            '  <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path class="head" d="M0 0.5 L8 4 L0 7.5 z"/></marker></defs>',
            f'  <rect class="card" x="0.75" y="0.75" width="{width - 1.5}" height="{height - 1.5}" rx="14"/>',
            *_columns(states, height),
            *_arrows(states, machine.table),
            "</svg>\n",
        ]
    )


def _rows(machine: Machine) -> str:
    return "\n".join(f"| {old.value} | {new.value} | {when} |" for (old, new), when in machine.table.items())


def _columns(states: list[Any], height: int) -> Iterator[str]:
    for state in states:
        x = _place(states, state)
        yield f'  <line class="line" x1="{x}" y1="52" x2="{x}" y2="{height - _MARGIN}"/>'
        yield f'  <rect class="state" x="{x - 62}" y="18" width="124" height="34" rx="8"/>'
        yield f'  <text class="name" x="{x}" y="40">{escape(state.value)}</text>'


def _arrows(states: list[Any], table: Mapping[tuple[Any, Any], str]) -> Iterator[str]:
    right = _MARGIN + _COLUMN * len(states)
    for row, ((old, new), when) in enumerate(table.items()):
        y = _HEAD + _ROW * row + 22
        start, end = _place(states, old), _place(states, new)
        path = f"M{start} {y} H{end}" if start != end else f"M{start} {y} h24 v10 h-24"
        yield f'  <path class="flow" d="{path}" marker-end="url(#head)"/>'
        half = 3.2 * len(when)  # about half of its width
        middle = min(max((start + end) / 2, _MARGIN + half), right - half)
        yield f'  <text class="when" x="{middle:g}" y="{y - 7}">{escape(when)}</text>'


def _place(states: list[Any], state: Any) -> int:
    return _MARGIN + _COLUMN * states.index(state) + _COLUMN // 2
