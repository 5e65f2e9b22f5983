"""value: the results of futures, in whatever they are in."""

from __future__ import annotations

import concurrent.futures as cf
from typing import Any

from .folding import fold


@fold
def value(x: Any, timeout: float | None = None) -> Any:
    """The value of a future, or of all futures in any nesting of lists, tuples, dicts and sets.

    Args:
        x: A future or a container; what is no future stays as it is.
        timeout: Seconds to wait at most, for all of them together.

    Returns:
        The same shape with values in the futures' places.

    Raises:
        Exception: The first one that a future ended with, at once; the other futures are cancelled.
        TimeoutError: Time ran out. Nothing is cancelled.
    """
    found: list[cf.Future[Any]] = []
    _collect(x, found)
    if found:
        done, waiting = cf.wait(found, timeout, cf.FIRST_EXCEPTION)
        failed = [one for one in found if one in done and (one.cancelled() or one.exception() is not None)]
        if failed:
            for other in waiting:
                other.cancel()
            for one in found:  # up to the first that failed, whose predecessors' output comes first
                if one in done:
                    one.result()
        if waiting:
            raise TimeoutError(f"{len(waiting)} of {len(found)} futures are not done after {timeout} s.")
    return _replaced(x)


def _collect(x: Any, found: list[cf.Future[Any]]) -> None:
    if isinstance(x, cf.Future):
        found.append(x)
    elif isinstance(x, dict):
        for part in x.values():
            _collect(part, found)
    elif isinstance(x, (list, tuple, set, frozenset)):
        for part in x:
            _collect(part, found)


def _replaced(x: Any) -> Any:
    if isinstance(x, cf.Future):
        return x.result()
    if isinstance(x, dict):
        changed = {key: _replaced(part) for key, part in x.items()}
        return changed if type(x) is dict else _like(x, changed)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(_replaced, x))
    if isinstance(x, (list, tuple, set, frozenset)):
        return type(x)(map(_replaced, x))
    return x


def _like(x: dict[Any, Any], changed: dict[Any, Any]) -> Any:
    copy = x.copy()
    copy.update(changed)
    return copy
