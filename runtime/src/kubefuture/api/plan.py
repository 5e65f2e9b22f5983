"""plan: how and where work runs. The user's choice, never a library's."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..backends.capabilities import CAPABILITIES, Capability
from ..core.context import current_element
from ..core.current_folder import current_folder
from ..core.descriptors import require_descriptors
from ..core.notice import say
from ..core.numeric import whole
from ..core.resources import available_cores
from ..errors import NotUpError, PlanError
from .folding import fold

if TYPE_CHECKING:
    from ..backends.base import Backend

KINDS = tuple(CAPABILITIES)
"""The plans there are."""


class Plan:
    """One way to run.

    `plan` returns the one before; as a context manager that is put back at the end of the block.
    """

    by_default = False
    """Nobody chose it."""

    def __init__(
        self,
        kind: str,
        workers: int | None,
        connection: Path | None,
        threads_per_slot: int = 1,
        address: Any = None,
    ) -> None:
        self.kind = kind
        self.workers = workers
        self.connection = connection
        self.threads_per_slot = threads_per_slot
        self.address = address
        self._backend: Backend | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this kind of plan can do beyond what all of them do."""
        return CAPABILITIES[self.kind]

    def backend(self) -> Backend | None:
        """The back end, started if it is not; None for the sequential plan."""
        if self.kind == "sequential":
            return None
        backend = self._backend
        if backend is not None and backend.session.error is None and self._pid == _own_pid:
            return backend
        with self._lock:
            if self._pid != os.getpid():  # after a fork the parent's threads are not here
                self._backend, self._pid = None, os.getpid()
            broken = self._backend
            if broken is not None and broken.session.error is not None:
                self._backend = None
                # Its threads end in one of their own: a callback may ask for the next back end in one of them.
                threading.Thread(target=broken.close, name="kubefuture-close", daemon=True).start()
            if self._backend is None:
                self._backend = self._start()
            return self._backend

    def close(self) -> None:
        """Ends the back end. A plan that is used again starts a new one."""
        with self._lock:
            backend, self._backend = self._backend, None
        if backend is not None and self._pid == os.getpid():
            backend.close()

    def retire(self) -> None:
        """Another plan took over: ends the back end unless somebody still waits for its work."""
        backend = self._backend
        if backend is not None and backend.session.busy:
            _waited_for.append(self)
        elif backend is not None:
            self.close()

    def __enter__(self) -> Plan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set(self)

    def __repr__(self) -> str:
        details = "".join(f", {name}={value!r}" for name, value in self._details() if value is not None)
        return f"plan({self.kind!r}{details})"

    def _details(self) -> list[tuple[str, Any]]:
        connection = str(self.connection) if self.connection is not None else None
        return [("workers", self.workers), ("connection", connection), ("address", self.address)]

    def _start(self) -> Backend:
        require_descriptors()  # first, since what is imported needs some, too
        if self.kind == "local":
            from ..backends.local import LocalBackend

            return LocalBackend(self.workers or available_cores(), self.threads_per_slot)
        if self.kind == "dask":
            from ..backends.dask import DaskBackend

            return DaskBackend(self.address, self.workers, self.threads_per_slot, self.connection)
        from ..backends.cluster import ClusterBackend

        assert self.connection is not None
        return ClusterBackend(self.connection)


_own_pid = os.getpid()
"""Asking the system each time would be a fifth of what submitting a task costs."""


_current: Plan | None = None
_waited_for: list[Plan] = []
"""Plans that were replaced while somebody waited for their work; they end with the program at the latest."""

_choosing = threading.Lock()


def _forked() -> None:
    global _own_pid
    _own_pid = os.getpid()
    chosen = [] if _current is None else [_current]
    for lock in [_choosing, *(plan._lock for plan in [*_waited_for, *chosen])]:
        lock._at_fork_reinit()  # type: ignore[attr-defined] # who held it may not be here to give it back


os.register_at_fork(after_in_child=_forked)

_sequential = Plan("sequential", None, None)


@fold
def plan(
    kind: str | Plan | None = None, *, workers: int | None = None, connection: str | os.PathLike[str] | None = None,
    threads_per_slot: int = 1, address: Any = None,
) -> Plan:  # fmt: skip
    """Chooses how work runs from now on.

    Args:
        kind: "sequential" (in place), "local" (this machine's cores), "cluster" (what `make up` started, also if
            that runs Dask), "dask" (a Dask cluster), or a plan that an earlier call returned. Without it nothing
            changes.
        workers: For "local", and for "dask" without an address: how many; by default `available_cores()`.
        connection: For "cluster": its connection file; by default the one that KUBEFUTURE_CONNECTION names,
            or the project's. For "dask": the same, if that cluster runs Dask.
        threads_per_slot: For "local", and for "dask" without an address: threads of the numerical libraries in a
            slot.
        address: For "dask": the scheduler's address, as `tcp://host:8786`, or a `distributed.Client`, or a cluster
            object of Dask's. By default what `make up` started, if that runs Dask, else the one that Dask's own
            settings name (`DASK_SCHEDULER_ADDRESS`), else workers of this program's own on this machine.

    Returns:
        The plan before, or the present one where nothing changes. As a context manager it is put back at the end of
        the block.

    Raises:
        PlanError: There is no such plan, or the number of workers cannot be.
        NotUpError: There is no cluster, or it does not answer.
    """
    before = _effective()
    settings = workers is not None or connection is not None or threads_per_slot != 1 or address is not None
    if isinstance(kind, Plan):
        if settings:
            raise PlanError(
                f"{kind} is a plan with settings of its own; for others choose one by its kind, as "
                "kf.plan('local', workers=4)."
            )
        new = kind
    elif kind is None:
        if settings:
            raise PlanError("Which plan? For example, kf.plan('local', workers=4).")
        return current_plan()
    else:
        new = _checked(kind, workers, connection, threads_per_slot, address)
    if current_element() is None:
        new.backend()
        _set(new)
    return before


def current_plan() -> Plan:
    """The plan that a call would run on now; inside an element always sequential."""
    if current_element() is not None:
        return _sequential
    return _current if _current is not None else _effective()


def chosen_plan() -> Plan | None:
    """The plan that somebody chose, in the program or by a variable; inside an element always sequential.

    None where a call would only fall back to something: no connection file is looked for.
    """
    if current_element() is not None:
        return _sequential
    if _current is not None and not _current.by_default:
        return _current
    named = os.environ.get("KUBEFUTURE_PLAN") or os.environ.get("KUBEFUTURE_CONNECTION")
    return _effective() if named else None


def _set(new: Plan) -> None:
    global _current
    before, _current = _current, new
    if before is not None and before is not new:
        before.retire()


def _effective() -> Plan:
    """The plan that was chosen, or the one that the environment asks for."""
    global _current
    if _current is None:
        with _choosing:
            if _current is None:
                _current = _default()
    return _current


def _default() -> Plan:
    wish = os.environ.get("KUBEFUTURE_PLAN", "")
    if wish:
        kind, _, number = wish.partition(":")
        if number and not number.isdigit():
            raise PlanError(
                f"KUBEFUTURE_PLAN is {wish!r}; it can be sequential, local, local:4, cluster, dask or dask:4."
            )
        return _checked(kind, int(number) if number else None, None, 1)
    found = _find_connection()
    kind = "sequential" if found is None else _kind_at(found)
    fallen_back = Plan(kind, None, found)
    fallen_back.by_default = not os.environ.get("KUBEFUTURE_CONNECTION")
    return fallen_back


def _checked(
    kind: str,
    workers: int | None,
    connection: str | os.PathLike[str] | None,
    threads_per_slot: int,
    address: Any = None,
) -> Plan:
    if kind not in KINDS:
        raise PlanError(f"There is no plan {kind!r}; there are {', '.join(KINDS)}.")
    if address is not None and kind != "dask":
        raise PlanError(f"plan({kind!r}) takes no address=; that is for plan('dask').")
    if workers is not None:
        if address is not None:
            raise PlanError("The Dask cluster at address= has workers of its own; leave workers= out.")
        if kind not in ("local", "dask"):
            raise PlanError(
                f"plan({kind!r}) takes no workers=; that is for plan('local'). See kf.scale for clusters."
            )
        workers = _whole("workers", workers)
    threads_per_slot = _whole("threads_per_slot", threads_per_slot)
    path = Path(connection) if connection is not None else None
    if kind == "dask" and (address, workers, path) == (None, None, None):
        found = _find_connection()
        path = found if found is not None and _kind_at(found) == "dask" else None
    if kind == "cluster" and path is None:
        path = _find_connection()
        if path is None:
            folder = current_folder() or "the present folder, which was removed,"
            raise NotUpError(
                f"There is no cluster: no .kubefuture/connection.json in {folder} or above. "
                "Start one with `make up`, and run the script with `make run`."
            )
    if kind == "cluster":
        assert path is not None
        kind = _kind_at(path)
    return Plan(kind, workers, path, threads_per_slot, address)


def _kind_at(path: Path) -> str:
    """The plan for the cluster that a connection file leads to."""
    from ..core.connection import DASK, Connection

    return "dask" if Connection.engine_at(path) == DASK else "cluster"


def _whole(name: str, value: Any) -> int:
    number = whole(value, 1)
    if number is None:
        raise PlanError(f"{name}={value!r} is no whole number of at least 1.")
    return number


def _find_connection() -> Path | None:
    named = os.environ.get("KUBEFUTURE_CONNECTION", "")
    if named:
        return Path(named)
    from ..core.connection import Connection

    return Connection.find()


@atexit.register
def _at_exit() -> None:
    for chosen in [*_waited_for, *([] if _current is None else [_current])]:
        try:
            chosen.close()
        except Exception as error:
            say(f"the plan did not end cleanly: {error}")
