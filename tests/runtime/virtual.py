"""The scheduler, and what hosts use of their surroundings, in virtual time."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from kubefuture.backends import cluster
from kubefuture.core import trim
from kubefuture.machine.machine import Machine
from kubefuture.protocol.messages import PROTOCOL, Environment, Hello
from kubefuture.scheduler import blob_traffic, expecting, party, server, storing, unread
from kubefuture.scheduler.expecting import Expected
from kubefuture.scheduler.journal import Journal
from kubefuture.scheduler.restoring import restored_maps
from kubefuture.scheduler.storing import Store
from kubefuture.worker import blob_cache, supervisor

from tests.runtime.clock import Process
from tests.runtime.fakes import DEATHS, RUNS, SLOTS, FakeSlot, use_fake_slots
from tests.runtime.stepped import use_stepped_writer
from tests.runtime.stepped_blobs import use_stepped_blobs
from tests.runtime.turns import watch_turns
from tests.runtime.wires import Wire

if TYPE_CHECKING:
    from tests.runtime.world import World

DEAD: set[str] = set()
"""Identities of processes that are known to be dead, as on the scheduler's own host."""

_identities = itertools.count(1)
"""Numbered anew in each world, so that a failing one can be had again."""


def begin_anew() -> None:
    """Another world begins, which knows nothing of the last one."""
    global _identities
    for known in (SLOTS, RUNS, DEATHS, DEAD):
        known.clear()
    _identities, Wire.numbers, FakeSlot.pids = itertools.count(1), itertools.count(1), itertools.count(1000)


def hello(role: str, *, place: str = "") -> Hello:
    """A first message."""
    name = f"{role}-{next(_identities)}"
    return Hello(role, PROTOCOL, name, "host", 1, Environment("3.11"), folder="/", place=place)


class _Thread:
    """As LoopThread."""

    def __init__(self, name: str) -> None:
        self.loop = Process.current
        self.call_later = self.loop.call_later


def _run_nowhere(coroutine: Any, loop: Any) -> Any:
    coroutine.close()
    return SimpleNamespace(result=lambda: None)


def use_virtual_time(monkeypatch: Any) -> None:
    """Puts the hosts' sockets, threads and clock out of the way; what they do with messages is real."""
    use_fake_slots(monkeypatch)
    use_stepped_writer(monkeypatch)
    use_stepped_blobs(monkeypatch)
    watch_turns(monkeypatch)
    loops = SimpleNamespace(
        get_running_loop=lambda: Process.current, run_coroutine_threadsafe=_run_nowhere, Future=object
    )
    clock = SimpleNamespace(monotonic=lambda: Process.current.time())
    for module in (server, supervisor, cluster, blob_traffic):
        monkeypatch.setattr(module, "asyncio", loops)
    for module in (server, blob_traffic, blob_cache):
        monkeypatch.setattr(module, "time", clock)
    # A thousand daemons share this process.
    monkeypatch.setattr(trim, "gc", SimpleNamespace(collect=lambda: 0))
    monkeypatch.setattr(server, "own_environment", lambda: Environment("3.11"))
    monkeypatch.setattr(storing, "MEMORY_PAYLOAD_BYTES", 0)
    monkeypatch.setattr(unread, "MEMORY_RESULT_BYTES", 500)
    monkeypatch.setattr(unread, "MEMORY_RESULTS_BYTES", 500)
    monkeypatch.setattr(party, "is_gone", lambda hello: hello.identity in DEAD)
    monkeypatch.setattr(expecting, "is_alive", lambda machine, pid, started: True)
    monkeypatch.setattr(supervisor, "read_slots", lambda slots: slots)
    monkeypatch.setattr(supervisor, "sys", SimpleNamespace(stderr=SimpleNamespace(fileno=lambda: 2)))
    monkeypatch.setattr(supervisor, "hello", hello)
    monkeypatch.setattr(cluster, "hello", hello)
    monkeypatch.setattr(cluster, "LoopThread", _Thread)
    monkeypatch.setattr(cluster, "say", lambda text: None)
    monkeypatch.setattr(
        cluster,
        "Connection",
        SimpleNamespace(load=lambda path: SimpleNamespace(provider="", project="", socket_path="")),
    )


class Waited(Expected):
    """The workers that the next scheduler waits for, kept in the world in place of a file."""

    def __init__(self, world: World) -> None:
        self._world = world
        super().__init__(Path(), world.loop.now, lambda line: None)

    def _read(self) -> dict[str, Any]:
        return dict(self._world.known)

    def _note(self, told: dict[str, object]) -> None:
        self._world.known = {**self._missing, **self._known}

    def _rewrite(self) -> None:
        pass


def storage(journal: Journal | None) -> Store:
    """Takes every argument, and results as soon as some are not acknowledged."""
    return Store(Path(tempfile.gettempdir()), journal, lambda line: None, lambda sentence: None)


class Scheduler:
    """One life of the scheduler."""

    def __init__(self, world: World, generation: int) -> None:
        self.process = Process(world.loop)
        self.journal = world.shelf.open() if world.shelf is not None else None
        self.machine = Machine(
            hello("scheduler"),
            now=world.loop.now,
            wanted=world.wanted,
            first_lease=(generation << 32) + 1,
            next_key=None if self.journal is None else self.journal.next_key,
        )
        if self.journal is not None:
            self.journal.room = lambda more=0: world.room  # type: ignore[method-assign]
        store = storage(self.journal)
        if self.journal is not None:
            assert store.rows is not None
            self.machine.restore(restored_maps(self.journal, store.rows), world.loop.now)
        with self.process.running():
            self.server = server.Server(
                b"",
                self.machine,
                lambda line: None,
                world.scaled,
                self.journal,
                expected=Waited(world),
                store=store,
                blobs=None if world.disk is None else world.disk.of("scheduler"),
            )
        if world.disk is not None:
            world.disk.used_by(self.process, self.server._blobs)


@pytest.fixture(scope="module", autouse=True)
def virtual_time() -> Any:
    """For the tests of a module that imports it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_virtual_time(monkeypatch)
        yield
