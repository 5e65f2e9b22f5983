"""What a user is told of an element that was given up (R19)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..core.given import without_own_seed
from ..core.scalars import unpack
from ..errors import PoisonError
from ..protocol.poison import PoisonReport, Strike, decode_report

_LINE = 120
"""So many characters of the arguments are shown."""


def poison_error(index: int, payload: bytes) -> PoisonError:
    """The error for an element, from its packed report. Unpickles its arguments."""
    try:
        report = decode_report(payload)
    except msgspec.DecodeError:
        return PoisonError(f"Element {index} was given up; the report that says why is damaged.", index)
    lines = [_what(index, report)]
    if report.arguments:
        lines.append(f"  It was called with {_shown(report)}.")
    output = next((strike.output for strike in reversed(report.strikes) if strike.output), "").splitlines()
    if output:
        lines.append("  The last that its worker printed:")
        lines += [f"    {line}" for line in output]
    lines.append(f"  {_advice(report)}")
    return PoisonError(
        "\n".join(lines),
        index,
        [strike.reason for strike in report.strikes],
        [strike.host for strike in report.strikes],
        output,
    )


def _what(index: int, report: PoisonReport) -> str:
    if not report.deaths:
        return (
            f"Element {index} was lost {report.losses} times because its slot or worker went away, and was given "
            "up; the others were finished."
        )
    return (
        f"Element {index} ended its worker process {report.deaths} times, and was given up; the others were "
        f"finished. How it ended: {_ends(report.strikes)}."
    )


def _ends(strikes: Sequence[Strike]) -> str:
    ends = [f"{strike.reason}, on host {strike.host}" for strike in strikes]
    if len(ends) > 1 and len(set(ends)) == 1:
        return f"{ends[0]}, each time"
    return "; ".join(ends)


def _advice(report: PoisonReport) -> str:
    if not report.deaths:
        return (
            "It may be too long for workers that come and go, or close descriptors that are not its own: try it "
            "alone with kf.plan('sequential')."
        )
    if all("memory" in strike.reason for strike in report.strikes):
        return (
            "It needs more memory than a worker has: raise workers.memory in values.yaml, or let an element do less at "
            "once."
        )
    return (
        "It probably crashes inside a compiled library, or needs more memory than there is: try it alone with "
        "kf.plan('sequential')."
    )


def _shown(report: PoisonReport) -> str:
    """The arguments on one line, as in a call."""
    try:
        packed = without_own_seed(report.arguments) if report.own_seeds else report.arguments
        args, kwargs = ((unpack(packed),), None) if report.bare else unpack(packed)
        parts = [repr(value) for value in args] + [
            f"{name}={value!r}" for name, value in (kwargs or {}).items()
        ]
    except Exception as error:
        return f"arguments that cannot be shown here ({type(error).__name__})"
    line = " ".join(f"({', '.join(parts)})".split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
