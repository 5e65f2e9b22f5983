"""Questions about the plan, and its size."""

from __future__ import annotations

from ..core.numeric import whole
from ..errors import PlanError
from .folding import fold
from .plan import current_plan


@fold
def n_workers() -> int:
    """How many elements run at the same time on the present plan; 1 for the sequential one."""
    backend = current_plan().backend()
    return 1 if backend is None else backend.n_workers


@fold
def n_free_workers() -> int:
    """How many workers have nothing of this program's to do; 1 for the sequential plan.

    That is `n_workers()` less the elements that wait or run, and at least 0. What other programs run on the same
    cluster is not counted.
    """
    backend = current_plan().backend()
    return 1 if backend is None else max(0, backend.n_workers - backend.session.unfinished())


@fold
def scale(n: int) -> None:
    """Changes the number of workers, and returns when they are there. Those that go finish what they run.

    Args:
        n: How many, at least 0; at least 1 for plan("local").

    Raises:
        PlanError: The plan cannot be scaled, or not to this number.
    """
    number = whole(n, 0)
    if number is None:
        raise PlanError(f"scale({n!r}): the number of workers is a whole number of at least 0.")
    plan = current_plan()
    backend = plan.backend()
    if backend is None:
        raise PlanError(
            "The sequential plan has no workers to scale; choose plan('local') or plan('cluster')."
        )
    if plan.kind == "local" and number == 0:
        raise PlanError("plan('local') needs at least one worker; choose plan('sequential') to have none.")
    backend.scale(number)
