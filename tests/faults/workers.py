"""A second worker beside a cluster's own, which is given slots by scaling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .programs import Cluster, Program


@contextmanager
def second_worker(cluster: Cluster) -> Iterator[Program]:
    """Starts one without slots; the scheduler gives new ones to the worker that has fewest."""
    none = cluster.folder / "no-slots"
    none.write_text("0\n")
    program = cluster.program("worker", "--slots-file", str(none))
    try:
        assert program.answer() == "ready", program.text()
        yield program
    finally:
        program.close()
