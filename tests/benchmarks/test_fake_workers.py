"""The workers that run nothing are workers to a real scheduler."""

from __future__ import annotations

import os

import kubefuture as kf

from benchmarks import fake_workers
from benchmarks.contenders import plus_one
from tests.faults import processes
from tests.faults.tls import TlsCluster
from tests.faults.waiting import LIMIT, eventually


def test_each_is_a_process_that_connects_over_tls_and_answers_every_task_until_the_block_ends():
    daemon = TlsCluster(3)
    try:
        daemon.start_scheduler()
        known = {process.pid for process in processes.descendants(os.getpid())}
        with fake_workers.running(daemon.connection, 3):
            eventually(
                lambda: [worker.slots for worker in daemon.status().workers] == [1, 1, 1], "three slots"
            )
            started = [each.pid for each in processes.descendants(os.getpid()) if each.pid not in known]
            assert len(started) >= 4, "the nursery and its three"
            with kf.plan("cluster", connection=daemon.connection):
                futures = [kf.future(plus_one, number) for number in range(100)]
                assert [future.result(LIMIT) for future in futures] == [0] * 100
        eventually(lambda: not daemon.status().workers, "they are gone")
    finally:
        daemon.close()
