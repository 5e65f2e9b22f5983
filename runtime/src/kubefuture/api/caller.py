"""options: the same calls with more of a say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar

from ..core.rng import Seed
from .folding import fold, folded
from .futures import Future, submit
from .mapping import run_imap, run_map
from .options import Options, Output, Progress

T = TypeVar("T")


class Caller:
    """`map`, `imap` and `future` with fixed options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any]) -> list[T]:
        """See `kubefuture.map`."""
        with folded:
            return run_map(fn, iterables, self._options)

    @fold
    def imap(self, fn: Callable[..., T], *iterables: Iterable[Any]) -> Iterator[T]:
        """See `kubefuture.imap`."""
        return run_imap(fn, iterables, self._options)

    def future(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See `kubefuture.future`."""
        with folded:
            return submit(fn, args, kwargs, self._options)

    def __repr__(self) -> str:
        return f"Caller({self._options})"


@fold
def options(
    *,
    seed: Seed = None,
    timeout: float | None = None,
    task_timeout: float | None = None,
    retries: int = 0,
    chunk_size: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    label: str | None = None,
    name: str | None = None,
    output: Output = "ordered",
) -> Caller:
    """Fixes options for calls: `kf.options(retries=2, on_error="return").map(fit, data)`.

    Args:
        seed: As for `map`.
        timeout: Seconds for the whole call.
        task_timeout: Seconds that one element may run. One that runs longer is stopped and fails with a
            TimeoutError, as if its function had raised it; the others go on. Workers are looked at a few
            times a second. The sequential plan cannot stop an element, and lets it fail when it is done.
        retries: How often an element whose function raised runs again.
        chunk_size: Elements a chunk; by default chosen by measured time.
        on_error: "raise" the first error, or "return" errors in their elements' places.
        progress: As for `map`.
        label: A name for people, in messages and in the progress bar.
        name: As for `map`; not for single futures.
        output: What becomes of what elements print to stdout and stderr, of their warnings and log records:
            "ordered" relays it in the elements' order, as soon as that permits, a future's when its result is
            asked for first, or after nobody has it any more; "live" relays it as it is printed, whole lines as far as
            there are any, with nothing that says which element it is from; False drops it.

    Raises:
        PlanError: An option cannot be.
    """
    return Caller(
        Options(seed, timeout, retries, chunk_size, on_error, progress, label, task_timeout, name, output)
    )
