"""Daemons that run for weeks give freed memory back, and keep nothing of slots that died."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import weakref

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.core.trim import Trimmer

from tests.faults import processes
from tests.faults.programs import environment
from tests.faults.waiting import eventually
from tests.runtime.virtual import use_virtual_time
from tests.runtime.world import World


def counted(trimmer: Trimmer) -> list[int]:
    """A list that gets longer whenever memory is given back."""
    calls: list[int] = []
    trimmer._trim = lambda pad: calls.append(pad) or 0
    return calls


def test_memory_is_given_back_once_after_each_time_of_work():
    trimmer = Trimmer()
    calls = counted(trimmer)
    looks = [
        (0, False),
        (9, False),
        (10, True),
        (11, False),
        (11.9, False),
        (12, False),
        (13, False),
        (20, False),
    ]
    given_back = []
    for now, busy in looks:
        before = len(calls)
        trimmer.look(busy=busy, now=now)
        given_back += [now] * (len(calls) - before)
    assert given_back == [12]


def test_a_supervisor_gives_memory_back_when_no_work_passes_through_it_also_while_slots_die():
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_virtual_time(monkeypatch)
        world = World(slots=1, clients=1, workers=1)
        world.settle()
        (worker,) = world.workers
        calls = counted(worker.supervisor._trimmer)
        world.later(5.0)
        assert calls == [], "there was nothing to give back"
        world.clients[0].map(["ok"] * 5)
        for _ in range(10):
            for slot in worker.slots:
                slot.kill()
            world.settle()
        assert len(calls) >= 1
        before = len(calls)
        for slot in worker.slots:
            slot.kill()
        world.settle()
        assert len(calls) == before


def test_a_slot_that_died_is_freed_at_once():
    with kf.plan("local", workers=1):
        assert kf.map(abs, [-1]) == [1]
        slots = current_plan().backend()._slots
        slot = weakref.ref(slots._slots[0])
        gc.disable()
        try:
            processes.kill(slot().pid)
            eventually(lambda: slots.ready and slots.ready[0][1] and slot() is None, "the end of the object")
        finally:
            gc.enable()


HEAPS = """
import ctypes, sys, threading
from kubefuture.core.trim import keep_one_heap

if sys.argv[1] == "one":
    keep_one_heap()
libc = ctypes.CDLL(None)
together = threading.Barrier(4)


def work():
    pieces = [bytearray(5000) for _ in range(100)]
    together.wait()  # each has its own as long as all are there
    del pieces


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another memory allocator than glibc's"
)
def test_a_daemon_has_one_heap_so_that_all_that_was_freed_can_be_given_back():
    def heaps(how: str) -> int:
        told = subprocess.run(
            [sys.executable, "-c", HEAPS, how], env=environment(), capture_output=True, text=True, check=True
        )
        return told.stdout.count("<heap nr=")

    assert heaps("one") == 1 < heaps("many")
