"""attach and forget: named maps, which the scheduler's journal holds."""

from __future__ import annotations

from typing import Any, Literal

from ..backends.base import Backend
from ..backends.capabilities import Capability
from ..core.context import current_element
from ..errors import PlanError
from .attached import Attached
from .folding import fold
from .mapping import collect
from .options import Options, Progress
from .plan import current_plan


@fold
def attach(
    name: str,
    *,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
) -> list[Any]:
    """Collects a named map: waits until it is finished, and returns all its results in order.

    Whoever began it, in whatever program: it may have ended long ago. The results stay until `forget`.

    Args:
        name: The map's.
        on_error: "raise" the first error, or "return" errors in their elements' places.
        progress: As for `map`.
        timeout: Seconds to wait at most; the map goes on.

    Returns:
        A list as long as the map.

    Raises:
        NamedMapError: There is no map of this name, or it was cancelled.
        PlanError: The plan has no journal.
        TimeoutError: Time ran out.
    """
    options = Options(on_error=on_error, progress=progress, timeout=timeout, name=name)
    stream = Attached(_journaled(), options)
    try:
        return collect(stream, options)
    finally:
        stream.close()


@fold
def forget(name: str) -> None:
    """Deletes a named map and all its results; one that is not finished is cancelled.

    Args:
        name: The map's.

    Raises:
        NamedMapError: There is no map of this name.
        PlanError: The plan has no journal.
    """
    Options(name=name)
    session = _journaled().session
    call = session.ask(name, forget=True)
    with session.lock:
        while not call.finished:
            call.changed.wait(1.0)
    for problem in call.arrived:
        if isinstance(problem, Exception):
            raise type(problem)(str(problem))


def _journaled() -> Backend:
    plan = current_plan()
    backend = plan.backend()
    if backend is None or Capability.NAMES not in plan.capabilities:
        where = "inside an element" if current_element() is not None else f"on plan({plan.kind!r})"
        raise PlanError(
            f"There are no named maps {where}; choose plan('cluster'), whose scheduler keeps them."
        )
    return backend
