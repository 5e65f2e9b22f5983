"""joblib on a cluster, whose workers may be on another machine, or not there yet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import joblib
import kubefuture as kf
import numpy as np
import pytest
from joblib import Parallel, delayed
from kubefuture.client import quiet
from kubefuture.core import blobs

from tests.faults.waiting import eventually

KINDS = ["cluster"]

LARGE = 1 << 20
"""So many float64 are 8 MiB."""


@pytest.fixture
def carried(plan, monkeypatch):
    """The sizes of what goes over the connection; the workers do not find the program's memory."""
    sizes = []
    read = blobs.BlobFile.read

    def noted(self, start, stop):
        sizes.append(stop - start)
        return read(self, start, stop)

    monkeypatch.setattr(blobs, "this_machine", lambda: "")
    monkeypatch.setattr(blobs.BlobFile, "read", noted)
    return sizes


def test_R26_a_large_array_goes_over_the_connection_once(carried):
    array = np.random.default_rng(1).normal(size=LARGE)
    with joblib.parallel_config(backend="kubefuture"):
        for _ in range(2):
            assert Parallel(batch_size=1)(delayed(np.max)(array) for _ in range(30)) == [array.max()] * 30
    assert sum(carried) == array.nbytes


def test_R23_whoever_waits_without_workers_is_told_why(plan, monkeypatch, capfd):
    monkeypatch.setattr(quiet, "QUIET_SECONDS", 0.2)
    kf.scale(0)
    with joblib.parallel_config(backend="kubefuture"), ThreadPoolExecutor(1) as threads:
        results = threads.submit(Parallel(), (delayed(abs)(-x) for x in range(9)))
        eventually(lambda: "no slot is connected, waiting" in capfd.readouterr().err, "the line")
        kf.scale(2)
        assert results.result() == list(range(9))
