"""The workers that run nothing are workers to a real scheduler."""

from __future__ import annotations

import multiprocessing

import kubefuture as kf

from benchmarks import fake_workers
from benchmarks.contenders import plus_one
from tests.faults.tls import TlsCluster
from tests.faults.waiting import eventually


def test_they_connect_over_tls_and_answer_every_task():
    daemon = TlsCluster(3)
    ours, theirs = multiprocessing.Pipe()
    try:
        daemon.start_scheduler()
        process = multiprocessing.get_context("spawn").Process(
            target=fake_workers.run, args=(theirs, str(daemon.connection), 0, 3), daemon=True
        )
        process.start()
        assert ours.recv() == 3
        eventually(lambda: [worker.slots for worker in daemon.status().workers] == [1, 1, 1], "three slots")
        with kf.plan("cluster", connection=daemon.connection):
            futures = [kf.future(plus_one, number) for number in range(100)]
            assert [future.result(30) for future in futures] == [0] * 100
        process.kill()
        process.join()
    finally:
        daemon.close()
