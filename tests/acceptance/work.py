"""The acceptance's script, run in a project by `make run`: a seeded map on the workers, then without them.

    element ── its index ──> the checkpoint ── "go" ──> element
    progress ──> stdout; both lists and the poison report ──> a file of JSON

Everything that the elements need is here, since the project knows nothing of the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
from pathlib import Path

import kubefuture as kf
import numpy as np

SEED = 2026


def element(index: int, checkpoint: str, poison: int, rng: np.random.Generator) -> list[str]:
    """Draws from all three generators.

    Args:
        index: Which element.
        checkpoint: Where it is, `HOST:PORT`; empty to compute without stopping and without dying.
        poison: The element that ends its slot.
        rng: Its own generator.

    Returns:
        The numbers, bit by bit.
    """
    drawn = rng.standard_normal(1000)
    if checkpoint:
        host, _, port = checkpoint.rpartition(":")
        with socket.create_connection((host, int(port))) as link:
            link.sendall(f"{os.getpid()} {index} {os.uname().nodename}\n".encode())
            link.makefile().readline()
        if index == poison:
            print(f"element {index} has drawn")
            print(f"element {index} ends its worker")
            os.kill(os.getpid(), signal.SIGKILL)
    return [float(value).hex() for value in (drawn.mean(), np.random.random(), random.random())]


def main() -> None:
    """Computes everything twice and writes what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--connection", type=Path, required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--elements", type=int, required=True)
    parser.add_argument("--poison", type=int, required=True)
    parser.add_argument("--results", type=Path, required=True)
    options = parser.parse_args()
    counted: list[int] = []

    def count(done: int, _all: int | None) -> None:
        counted.append(done)
        print(done, flush=True)

    def compute(checkpoint: str, **more: object) -> list[object]:
        one = kf.options(seed=SEED, on_error="return", **more)
        return one.map(
            lambda index, rng: element(index, checkpoint, options.poison, rng), range(options.elements)
        )

    with kf.plan("cluster", connection=options.connection):
        found = compute(options.checkpoint, chunk_size=1, progress=count)
    with kf.plan("sequential"):
        expected = compute("")
    errors = [
        {
            "place": place,
            "kind": type(error).__name__,
            "text": str(error),
            "index": getattr(error, "index", None),
            "reasons": getattr(error, "reasons", ()),
            "last_lines": getattr(error, "last_lines", ()),
        }
        for place, error in enumerate(found)
        if isinstance(error, Exception)
    ]
    values = [None if isinstance(value, Exception) else value for value in found]
    report = {"found": values, "expected": expected, "errors": errors, "counted": counted}
    options.results.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
