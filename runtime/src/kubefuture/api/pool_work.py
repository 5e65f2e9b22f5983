"""The work of one executor, which may outlive it: what is pending is finished before anything ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.forks import abandon_in_forks
from ..core.interrupts import undisturbed
from ..core.resources import available_cores
from ..errors import BrokenPoolError
from .futures import Condition, Future, withdraw
from .plan import Plan
from .unshown import Unshown, show_all

_living: set[Work] = set()
"""Those that take work or have some."""

_program_ends = False


class Work:
    """What one executor has under way.

    Args:
        plan: Where it runs.
        own: The plan ends with this.

    Attributes:
        broken: Why nothing is taken any more, None while nothing is broken.
    """

    def __init__(self, plan: Plan, *, own: bool) -> None:
        self.plan = plan
        self.broken: str | None = None
        self._own = own
        self._changed = Condition()  # reentrant: the garbage collector calls `close`
        self._pending: set[Any] = set()
        self._starting = 0
        self._closed = False
        self._unshown = Unshown()
        _living.add(self)
        abandon_in_forks(self)

    @property
    def n_workers(self) -> int:
        """How many calls run at the same time."""
        if self._own:
            return self.plan.workers or available_cores()
        backend = self.plan.backend()
        return 1 if backend is None else backend.n_workers

    def check(self) -> None:
        """Whether work is taken.

        Raises:
            RuntimeError: No more.
            BrokenPoolError: The initializer failed.
        """
        if self.broken is not None:
            raise BrokenPoolError(self.broken)
        if _program_ends:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")

    @contextmanager
    def starting(self) -> Iterator[None]:
        """For the start of a call, which `wait` waits for.

        Raises:
            RuntimeError: As for `check`, and BrokenPoolError.
        """
        with self._changed:
            self.check()
            self._starting += 1
        try:
            yield
        finally:
            with self._changed:
                self._starting -= 1
            self._end_if_over()

    def add(self, future: Future[Any]) -> None:
        """A call was started."""
        with self._changed:
            self._pending.add(future)
        future.add_done_callback(self.done)

    def done(self, future: Any) -> None:
        """A call is over."""
        with undisturbed():
            self._unshown.done(future)
            with self._changed:
                self._pending.discard(future)
            if not future.cancelled() and isinstance(error := future.exception(), BrokenPoolError):
                self._break(str(error))
            self._end_if_over()

    def show(self) -> None:
        """Shows what calls printed whose futures nobody has any more. It may take long, as all that writes."""
        self._unshown.show()

    def withdraw(self) -> None:
        """Cancels what no slot has yet."""
        with self._changed:
            pending = list(self._pending)
        withdraw(pending)

    def close(self) -> None:
        """Takes no more work; when there is none left, a plan of its own ends."""
        self._closed = True
        with undisturbed():
            self._end_if_over()

    def wait(self) -> None:
        """Waits until there is no work left, and a plan of its own has ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
        self._unshown.show(rest=True)
        if self._own:
            self.plan.close()

    def abandon(self) -> None:
        """In a fork of the program: what is pending is the parent's."""
        self._changed = Condition()
        self._pending.clear()
        self._starting = 0
        self._unshown.abandon()

    @property
    def _busy(self) -> bool:
        return bool(self._pending or self._starting)

    def _break(self, why: str) -> None:
        with self._changed:
            first, self.broken = self.broken is None, why
            rest = list(self._pending) if first else []
        for future in rest:
            future.fail(BrokenPoolError(why))

    def _end_if_over(self) -> None:
        with self._changed:
            if self._busy:
                return
            self._changed.notify_all()
            if not self._closed or self not in _living:
                return
            _living.discard(self)
        if self._own and not _program_ends:  # in a thread of its own: this may be one that ends with the plan
            threading.Thread(target=self.plan.close, name="kubefuture-close", daemon=True).start()


def wait_for_all() -> None:
    """The program ends: what was submitted to executors is finished first (R10)."""
    global _program_ends
    _program_ends = True
    for work in list(_living):
        work.close()
        work.wait()
    show_all()
