"""The same calls for an event loop, asyncio's or uvloop's: nothing blocks it, and no thread waits for a result.

Cancelling the task that waits cancels the work, running or not, and frees its slots.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

from ..core.rng import Seed
from .async_stream import AsyncStream
from .folding import folded
from .futures import Future, submit
from .options import Options, Progress
from .progress import Meter
from .running import Failed

T = TypeVar("T")

Inputs = Iterable[Any] | AsyncIterable[Any]
"""What elements are made of. A slow iterable is read in a thread of the loop's pool, an asynchronous one in it."""


async def map(  # noqa: A001 (as in the package)
    fn: Callable[..., T],
    *iterables: Inputs,
    seed: Seed = None,
    chunk_size: int | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    name: str | None = None,
) -> list[T]:
    """`kubefuture.map` in an event loop: `await kf.aio.map(fn, data)`.

    Args:
        fn: As for `kubefuture.map`, as are all others.
        *iterables: Also asynchronous ones.
        seed: As there.
        chunk_size: As there.
        progress: As there.
        timeout: As there.
        name: As there. In a run, maps of an event loop are not named by themselves.

    Returns:
        All results in order.

    Raises:
        Exception: As there.
    """
    with folded:
        return await run_map(
            fn, iterables, Options(seed, timeout, 0, chunk_size, "raise", progress, None, None, name)
        )


async def imap(
    fn: Callable[..., T],
    *iterables: Inputs,
    seed: Seed = None,
    chunk_size: int | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    name: str | None = None,
) -> AsyncGenerator[T, None]:
    """`kubefuture.imap` in an event loop: `async for result in kf.aio.imap(fn, data)`.

    Work starts when the first result is asked for. Inputs, also asynchronous ones, are read only a little ahead.
    Closing it cancels the rest; the end of the task does that, and `contextlib.aclosing` does it at once.
    """
    with folded:
        options = Options(seed, timeout, 0, chunk_size, "raise", progress, None, None, name)
        async with aclosing(run_imap(fn, iterables, options)) as results:
            async for result in results:
                yield result


async def future(fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Calls `fn(*args, **kwargs)` and waits for the result: `await kf.aio.future(fn, x)`.

    What `kubefuture.future` returns can be awaited, too; this one does not even block while its arguments are packed
    and while a plan starts.
    """
    with folded:
        return await run_future(fn, args, kwargs, Options())


class AsyncCaller:
    """`map`, `imap` and `future` of an event loop, with fixed options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def map(self, fn: Callable[..., T], *iterables: Inputs) -> list[T]:
        """See `kubefuture.aio.map`."""
        with folded:
            return await run_map(fn, iterables, self._options)

    def imap(self, fn: Callable[..., T], *iterables: Inputs) -> AsyncGenerator[T, None]:
        """See `kubefuture.aio.imap`."""
        return run_imap(fn, iterables, self._options)

    async def future(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """See `kubefuture.aio.future`."""
        with folded:
            return await run_future(fn, args, kwargs, self._options)


def options(**chosen: Any) -> AsyncCaller:
    """`kubefuture.options` for an event loop: `await kf.aio.options(retries=2).map(fn, data)`.

    Args:
        **chosen: The same options.

    Raises:
        PlanError: An option cannot be.
    """
    return AsyncCaller(Options(**chosen))


async def run_future(
    fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
) -> T:
    """`future` with all options."""
    starting = asyncio.ensure_future(asyncio.to_thread(submit, fn, args, kwargs, options))
    try:
        started: Future[T] = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_cancel_started)
        raise
    return await started


def _cancel_started(starting: asyncio.Future[Any]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().cancel()


async def run_map(fn: Callable[..., T], iterables: tuple[Inputs, ...], options: Options) -> list[T]:
    """`map` with all options."""
    values: dict[int, Any] = {}
    stream = AsyncStream(fn, iterables, options, ahead=False)
    meter: Meter | None = None
    try:
        async with aclosing(stream.outcomes()) as outcomes:
            async for start, found, failed in outcomes:
                meter = meter or _meter(stream, options)
                for index, value in enumerate(found, start):
                    values[index] = _settled(stream, value, options)
                meter.add(len(found), sum(isinstance(value, Failed) for value in found) if failed else 0)
    finally:
        if meter is not None:
            meter.close()
    return [values[index] for index in range(len(values))]


async def run_imap(
    fn: Callable[..., T], iterables: tuple[Inputs, ...], options: Options
) -> AsyncGenerator[T, None]:
    """`imap` with all options."""
    early: dict[int, Any] = {}
    due = 0
    stream = AsyncStream(fn, iterables, options, ahead=True)
    meter: Meter | None = None
    with folded:
        try:
            async with aclosing(stream.outcomes()) as outcomes:
                async for start, found, failed in outcomes:
                    meter = meter or _meter(stream, options)
                    early.update(enumerate(found, start))
                    meter.add(len(found), sum(isinstance(value, Failed) for value in found) if failed else 0)
                    while due in early:
                        value = early.pop(due)
                        due += 1
                        stream.taken(due)
                        yield _settled(stream, value, options)
        finally:
            if meter is not None:
                meter.close()


def _meter(stream: AsyncStream, options: Options) -> Meter:
    meter = Meter(options.progress, stream.total, options.label)
    if meter.shows:
        stream.watch(meter.look)
    return meter


def _settled(stream: AsyncStream, value: Any, options: Options) -> Any:
    if not isinstance(value, Failed):
        return value
    if options.on_error == "raise":
        stream.give_up()
        raise value.error
    return value.error
