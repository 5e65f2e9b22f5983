"""Runs the questions and prints the tables: `make bench`, `make bench ARGS="--quick round_trip"`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import (
    captured_array,
    chunked_map,
    cluster_start,
    comforts,
    import_time,
    memory,
    named_map,
    recovery,
    report,
    round_trip,
    seed_job,
    skewed_map,
    start_up,
    thousand_workers,
    throughput,
)
from .measurement import Row

QUESTIONS: dict[str, Callable[[bool], list[Row]]] = {
    "round_trip": round_trip.rows,
    "throughput": throughput.rows,
    "chunked_map": chunked_map.rows,
    "comforts": comforts.rows,
    "skewed_map": skewed_map.rows,
    "captured_array": captured_array.rows,
    "named_map": named_map.rows,
    "recovery": recovery.rows,
    "import_time": import_time.rows,
    "memory": memory.rows,
    "thousand_workers": thousand_workers.rows,
    "seed_job": seed_job.rows,
    "start_up": start_up.rows,
    "cluster_start": cluster_start.rows,
}


def main() -> None:
    """Measures; a full run of all questions is written to results.md, others are only printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"{', '.join(QUESTIONS)}; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="little work, for a first impression")
    parser.add_argument("--draws", type=float, default=seed_job.DRAWS, help="draws an element of seed_job")
    options = parser.parse_args()
    unknown = set(options.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"there is no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    questions = dict(QUESTIONS)
    questions["seed_job"] = partial(seed_job.rows, draws=int(options.draws))
    rows: list[Row] = []
    for name, ask in questions.items():
        if not options.questions or name in options.questions:
            print(f"{name} ...", flush=True)
            rows += ask(options.quick)
    print(f"\n{report.machine()}\n\n{report.tables(rows)}", end="")
    if not options.quick and not options.questions and options.draws == seed_job.DRAWS:
        path = Path(__file__).with_name("results.md")
        report.write(path, rows)
        print(f"\nWritten to {path.parent.name}/{path.name}.")


if __name__ == "__main__":
    main()
