"""map and imap: a function over many elements."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

from ..core.rng import Seed
from .folding import fold, folded
from .options import Options, Progress
from .progress import Meter
from .running import Failed
from .stream import Stream

T = TypeVar("T")


def map(  # noqa: A001 (the built-in's name, as in concurrent.futures)
    fn: Callable[..., T],
    *iterables: Iterable[Any],
    seed: Seed = None,
    chunk_size: int | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    name: str | None = None,
) -> list[T]:
    """Calls a function for each element, in parallel, and returns all results in order.

    Args:
        fn: The function. A parameter `rng` that is left unbound is given the element's own generator
            when there is a seed.
        *iterables: As for the built-in `map`; the shortest one decides.
        seed: None, True, an integer, a SeedSequence, or a list with one of these for each element. The
            results then depend on the seed alone: not on plan, workers or chunks.
        chunk_size: Elements a chunk; by default chosen by measured time.
        progress: None (a bar on a terminal), False, a description, or a callable.
        timeout: Seconds for the whole call. A named map goes on.
        name: On a cluster the map is kept in the scheduler's journal under this name: this program may end, and
            `attach` collects the results. Other plans have no journal and ignore it.

    Returns:
        A list as long as the shortest iterable.

    Raises:
        Exception: The first that a call of `fn` raised; the rest is cancelled.
        UnpicklableError: Function or arguments cannot be sent.
        NamedMapError: There is a map of this name already.
        PoisonError: An element killed its slot too often; the others were finished first.
        TimeoutError: Time ran out; the rest is cancelled.
    """
    with folded:
        return run_map(
            fn,
            iterables,
            Options(seed=seed, chunk_size=chunk_size, progress=progress, timeout=timeout, name=name),
        )


@fold
def imap(
    fn: Callable[..., T],
    *iterables: Iterable[Any],
    seed: Seed = None,
    chunk_size: int | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    name: str | None = None,
) -> Iterator[T]:
    """Like `map`, but yields results in order as they come and reads its inputs only a little ahead.

    Work starts at once, before the first result is asked for. An error is raised in its element's turn.
    Closing the iterator cancels the rest.
    """
    return run_imap(
        fn,
        iterables,
        Options(seed=seed, chunk_size=chunk_size, progress=progress, timeout=timeout, name=name),
    )


def run_map(fn: Callable[..., T], iterables: tuple[Iterable[Any], ...], options: Options) -> list[T]:
    """`map` with all options."""
    stream = Stream(fn, iterables, options, ahead=False)
    try:  # nothing can come between the two lines, not even Ctrl-C
        return collect(stream, options)
    finally:
        stream.close()


def collect(stream: Stream, options: Options) -> list[Any]:
    """All outcomes of a stream, in order."""
    values: list[Any] = []
    # Not as long as `len` says, which counts rows where a table's columns are iterated.
    meter = Meter(options.progress, stream.total, options.label)
    if meter.shows:
        stream.watch(meter.look)
    try:
        for start, found, failed in stream:
            errors = 0
            if failed:
                errors = sum(isinstance(value, Failed) for value in found)
                found = _settled(stream, found, options)
            stop = start + len(found)
            if stop > len(values):
                values.extend([None] * (stop - len(values)))
            values[start:stop] = found
            meter.add(len(found), errors)
    finally:
        meter.close()
    return values


def _settled(stream: Stream, found: list[Any], options: Options) -> list[Any]:
    """Outcomes with errors in their elements' places, unless the first one is to be raised."""
    for value in found:
        if isinstance(value, Failed) and options.on_error == "raise":
            stream.give_up()
            raise value.error
    return [value.error if isinstance(value, Failed) else value for value in found]


def run_imap(fn: Callable[..., T], iterables: tuple[Iterable[Any], ...], options: Options) -> Iterator[T]:
    """`imap` with all options."""
    results = _in_order(Stream(fn, iterables, options, ahead=True), options)
    next(results)  # into the block whose end cancels, even if nobody ever takes a result
    return results


def _in_order(stream: Stream, options: Options) -> Generator[Any, None, None]:
    meter = Meter(options.progress, stream.total, options.label)
    if meter.shows:
        stream.watch(meter.look)
    early: dict[int, Any] = {}
    due = 0
    with folded:
        try:
            yield None
            for start, found, failed in stream:
                early.update(enumerate(found, start))
                meter.add(len(found), sum(isinstance(value, Failed) for value in found) if failed else 0)
                while due in early:
                    value = early.pop(due)
                    due += 1
                    stream.taken = due
                    if isinstance(value, Failed):
                        if options.on_error == "raise":
                            stream.give_up()
                            raise value.error
                        value = value.error
                    yield value
        finally:
            stream.close()
            meter.close()
