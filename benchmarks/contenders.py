"""Who is measured: each contender is a process of its own, which waits while the others have their turn.

benchmark ── a number of tasks ──> contender (a pool, or ours) ── what it measured ──> benchmark
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import kubefuture as kf

from tests.faults import processes

WORKERS = 2

PATIENCE = 300.0
"""Seconds after which a contender that says nothing is given up."""

Function: TypeAlias = Callable[[Any], Any]


def results(futures: list[Any]) -> list[Any]:
    """What futures like the standard library's have."""
    return [future.result() for future in futures]


@dataclass(frozen=True)
class Pool:
    """What a question can ask of a contender.

    Attributes:
        submit: Starts a function with one argument and returns a handle.
        map: The results for many arguments, in order, as users of this pool would ask for them.
        gather: The results of handles.
        map_chunked: Like `map`, in chunks that the pool chooses itself, where `map` does not.
    """

    submit: Callable[[Function, Any], Any]
    map: Callable[[Function, Iterable[Any]], list[Any]]
    gather: Callable[[list[Any]], list[Any]] = results
    map_chunked: Callable[[Function, Iterable[Any]], list[Any]] | None = None


Way: TypeAlias = Callable[..., AbstractContextManager[Pool]]
"""Brings a pool up and ends it again."""

Turn: TypeAlias = Callable[..., float]
"""What a question does with a pool, a number of tasks, and perhaps more; returns its measurement."""


class ContenderError(Exception):
    """A contender cannot be measured; the sentence says why."""


def plus_one(number: int) -> int:
    """The task: next to nothing, so that what is measured is the way there and back."""
    return number + 1


@contextmanager
def executor() -> Iterator[Pool]:
    """The standard library's ProcessPoolExecutor."""
    with ProcessPoolExecutor(WORKERS) as pool:
        yield Pool(pool.submit, lambda function, elements: list(pool.map(function, elements)))


@contextmanager
def standard_pool() -> Iterator[Pool]:
    """The standard library's multiprocessing.Pool, which forms chunks by itself."""
    with multiprocessing.Pool(WORKERS) as pool:
        yield Pool(
            lambda function, argument: pool.apply_async(function, (argument,)),
            pool.map,
            lambda handles: [handle.get() for handle in handles],
        )


@contextmanager
def local(workers: int = WORKERS) -> Iterator[Pool]:
    """plan("local")."""
    kf.plan("local", workers=workers)
    yield Pool(kf.future, partial(kf.map, progress=False))
    kf.plan("sequential")


@contextmanager
def cluster(connection: str) -> Iterator[Pool]:
    """plan("cluster"), with a scheduler and a worker that run already."""
    kf.plan("cluster", connection=connection)
    yield Pool(kf.future, partial(kf.map, progress=False))
    kf.plan("sequential")


class Contender:
    """A process that is ready, and has had a small first turn, when this returns.

    Args:
        way: `executor`, `local`, `cluster` or a peer's.
        turn: What it does when it is asked.
        *arguments: For the way.
        warm_up: How many tasks the first turn has; 0 for none.

    Raises:
        ContenderError: It does not start.
    """

    def __init__(self, way: Way, turn: Turn, *arguments: Any, warm_up: int = 100 * WORKERS) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_take_turns, args=(other, way, turn, arguments))
        self._process.start()
        other.close()
        self._answer()
        if warm_up:
            self.take_turn(warm_up)

    def take_turn(self, tasks: int, *more: Any) -> float:
        """One measurement.

        Args:
            tasks: How many tasks.
            *more: What else the turn is told, if it takes that.

        Raises:
            ContenderError: It failed, and has been ended.
        """
        self._pipe.send((tasks, *more))
        return self._answer()

    def close(self) -> None:
        """Ends it, with everything that it started."""
        started = processes.descendants(self._process.pid or 0) if self._process.is_alive() else []
        try:
            self._pipe.send((0,))
        except OSError:
            pass
        self._process.join(10.0)
        self._process.kill()
        self._process.join()
        self._pipe.close()
        for process in started:
            if process.pid in processes.living():
                processes.kill(process.pid)

    def _answer(self) -> float:
        try:
            answer = self._pipe.recv() if self._pipe.poll(PATIENCE) else f"no answer within {PATIENCE:.0f} s"
        except EOFError:
            answer = "its process ended"
        if isinstance(answer, str):
            self.close()
            raise ContenderError(answer)
        return float(answer)


def _take_turns(pipe: Connection, way: Way, turn: Turn, arguments: tuple[Any, ...]) -> None:
    try:
        with way(*arguments) as pool:
            pipe.send(0.0)
            while (told := pipe.recv())[0]:
                pipe.send(turn(pool, *told))
    except Exception as error:
        pipe.send(" ".join(f"{type(error).__name__}: {error}".split())[:200])
