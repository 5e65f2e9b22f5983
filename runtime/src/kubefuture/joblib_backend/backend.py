"""The back end that joblib is given."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Callable
from queue import Queue
from typing import Any

from joblib.parallel import (
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)

from ..api.futures import Future
from ..api.plan import Plan, current_plan
from ..core.packing import pack_element
from ..core.pool_calls import Prepared, WithThreads
from ..errors import PlanError
from .batch import Batch
from .call import Call


class KubefutureBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs joblib's calls on the plan.

    What the user chooses, by name, is only asked how many workers there are: each `joblib.Parallel` object gets a
    back end of its own, so that several can be under way at the same time.

    Args:
        nesting_level: How many of joblib's parallel calls this is inside of.
        initializer: Called in each process once, before the first call of a Parallel object.
        initargs: Its arguments.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        self._initializer = initializer
        self._initargs = initargs
        self._run: Callable[..., Any] = operator.call
        self.parallel: Any = None
        self._plan: Plan | None = None
        self._n_jobs: int | None = None
        self._read_only = True
        self._call: Call | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many calls run at the same time, if each worker has one.

        Args:
            n_jobs: As for `joblib.Parallel`; -1 and None are all workers of the plan.

        Raises:
            ValueError: It is 0.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        backend = current_plan().backend()
        if backend is None:
            return 1
        if n_jobs is None or n_jobs == -1:
            # joblib runs what has one job here, and not where the one worker is, or where there will be some soon.
            return max(backend.n_workers, 1 if self.parallel is None else 2)
        return n_jobs if n_jobs > 0 else max(backend.n_workers + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        *,
        max_nbytes: int | None = None,
        mmap_mode: str | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **_: Any,
    ) -> int:
        """Prepares for the calls of a `joblib.Parallel` object. What else joblib passes is about its own processes.

        Raises:
            FallbackToBackend: It is to have another back end.
            PlanError: Calls are to write to what they are given, so that the program sees it.
        """
        if max_nbytes is not None and mmap_mode in ("r+", "w+"):
            raise PlanError(
                f"mmap_mode={mmap_mode!r}: the workers have no memory in common with this program. Return what is "
                "computed, or leave mmap_mode out."
            )
        if self.parallel is None:
            own = KubefutureBackend(
                self.nesting_level,
                initializer or self._initializer,
                initargs if initializer else self._initargs,
            )
            own.parallel = parallel
            own.inner_max_num_threads = self.inner_max_num_threads
            raise FallbackToBackend(own)
        self._plan, number = current_plan(), self.effective_n_jobs(n_jobs)
        if number == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if self._run is operator.call:
            self._run = self._wrapped()
        self._n_jobs = n_jobs
        self._read_only = max_nbytes is not None and mmap_mode == "r"
        return number

    def _wrapped(self) -> Callable[..., Any]:
        """What runs a batch, with what is to be done before and around it."""
        run: Callable[..., Any] = operator.call
        if self._initializer is not None:
            packed = pack_element(tuple(self._initargs), None, None)
            run = Prepared(uuid.uuid4().hex, self._initializer, packed, run)
        threads = self.inner_max_num_threads
        return run if threads is None else WithThreads(threads, run)

    def start_call(self) -> None:
        """Someone calls the Parallel object."""
        assert self._plan is not None and self._n_jobs is not None
        self.stop_call()  # of one before, whose inputs could not even be begun
        backend = self._plan.backend()
        number = self.effective_n_jobs(self._n_jobs)
        all_of_them = backend is None or number >= backend.n_workers
        self._call = Call(self._plan, self._run, None if all_of_them else number, read_only=self._read_only)
        # joblib keeps what was not begun of a call that failed, and would run it now (joblib 1.6).
        self.parallel._ready_batches = Queue()

    def stop_call(self) -> None:
        """The call is over."""
        if self._call is not None:
            self._call.end()
            self._call = None

    def submit(self, func: Any, callback: Any = None) -> None:
        """Starts some calls."""
        call = self._call
        if call is not None:  # else it has ended since joblib has looked, in another thread
            call.submit(Batch(func), callback)

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """What they returned, or the first exception."""
        assert self._call is not None
        return self._call.result(out)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Stops all calls that have not ended."""
        if self._call is not None:
            self._call.abort()

    def terminate(self) -> None:
        """The Parallel object is not used any more, as far as one knows."""
        self.reset_batch_stats()

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """What parallel calls inside a call use: an element runs in one process, and is not divided again."""
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None
