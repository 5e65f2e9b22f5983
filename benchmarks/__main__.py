"""Runs the questions and prints the table: `make bench`, `make bench ARGS="--quick round_trip"`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import report, round_trip, seed_job, start_up, throughput
from .measurement import Row

NAMES = ["round_trip", "throughput", "seed_job", "start_up"]


def main() -> None:
    """Measures; a full run of all questions is written to results.md, others are only printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"{', '.join(NAMES)}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="little work, for a first impression")
    parser.add_argument("--draws", type=float, default=seed_job.DRAWS, help="draws an element of seed_job")
    options = parser.parse_args()
    unknown = set(options.questions) - set(NAMES)
    if unknown:
        parser.error(f"there is no question {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    questions: dict[str, Callable[[bool], list[Row]]] = {
        "round_trip": round_trip.rows,
        "throughput": throughput.rows,
        "seed_job": partial(seed_job.rows, draws=int(options.draws)),
        "start_up": start_up.rows,
    }
    rows: list[Row] = []
    for name in NAMES:
        if not options.questions or name in options.questions:
            print(f"{name} ...", flush=True)
            rows += questions[name](options.quick)
    print(f"\n{report.machine()}\n\n{report.table(rows)}", end="")
    if not options.quick and not options.questions and options.draws == seed_job.DRAWS:
        path = Path(__file__).with_name("results.md")
        report.write(path, rows)
        print(f"\nWritten to {path.parent.name}/{path.name}.")


if __name__ == "__main__":
    main()
