"""Tracebacks that go from the caller's line to the caller's own code, without ours between."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from ..core.raised import RemoteTraceback
from ..errors import KubefutureError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_OURS = (
    f"{__name__.partition('.')[0]}.",
    "concurrent.futures._base.",
    "concurrent.futures.thread.",  # this and the next: an event loop's steps
    "asyncio.threads.",
)


class _Folded:
    """Leaves our own frames out of what is raised in its block, from the first to the last before others.

    What the user's inputs raise keeps its frames. An error of our own code that is none of ours to raise keeps all of
    them: that is a bug, and they say where it is.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        while trace is not None and f"{trace.tb_frame.f_globals.get('__name__')}.".startswith(_OURS):
            trace = trace.tb_next
        meant = (KubefutureError, TimeoutError, KeyboardInterrupt, StopIteration)
        if trace is not None or isinstance(error, meant) or isinstance(error.__cause__, RemoteTraceback):
            error.__traceback__ = trace


folded = _Folded()


def fold(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Folds what a function raises."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with folded:
            return function(*args, **kwargs)

    return call
