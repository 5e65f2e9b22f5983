"""Who is measured: each contender is a process of its own, which waits while the others have their turn.

benchmark ── a number of tasks ──> contender (a pool, or ours) ── seconds it took ──> benchmark
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import kubefuture as kf

WORKERS = 2

Submit = Callable[[Callable[..., Any], int], "Future[Any]"]
"""Starts a function with one argument."""

Turn = Callable[[Submit, int], float]
"""What a question does with that many tasks; returns its measurement."""


def plus_one(number: int) -> int:
    """The task: next to nothing, so that what is measured is the way there and back."""
    return number + 1


@contextmanager
def executor() -> Iterator[Submit]:
    """The standard library's ProcessPoolExecutor."""
    with ProcessPoolExecutor(WORKERS) as pool:
        yield pool.submit


@contextmanager
def local() -> Iterator[Submit]:
    """plan("local")."""
    kf.plan("local", workers=WORKERS)
    yield kf.future
    kf.plan("sequential")


@contextmanager
def cluster(connection: str) -> Iterator[Submit]:
    """plan("cluster"), with a scheduler and a worker that run already."""
    kf.plan("cluster", connection=connection)
    yield kf.future
    kf.plan("sequential")


class Contender:
    """A process that is ready when this returns.

    Args:
        way: `executor`, `local` or `cluster`.
        turn: What it does when it is asked.
        *arguments: For the way.
    """

    def __init__(self, way: Callable[..., Any], turn: Turn, *arguments: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_take_turns, args=(other, way, turn, arguments))
        self._process.start()
        other.close()
        self._pipe.recv()

    def take_turn(self, tasks: int) -> float:
        """One measurement."""
        self._pipe.send(tasks)
        measured: float = self._pipe.recv()
        return measured

    def close(self) -> None:
        """Ends it."""
        self._pipe.send(0)
        self._process.join()


def _take_turns(pipe: Connection, way: Callable[..., Any], turn: Turn, arguments: tuple[str, ...]) -> None:
    with way(*arguments) as submit:
        for future in [submit(plus_one, number) for number in range(100 * WORKERS)]:
            future.result()
        pipe.send("ready")
        while tasks := pipe.recv():
            pipe.send(turn(submit, tasks))
