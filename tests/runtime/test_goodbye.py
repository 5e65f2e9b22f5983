"""A client that has ended is gone for the scheduler, whatever it left running (R10)."""

from __future__ import annotations

import subprocess
import sys

from tests.faults.programs import Cluster, environment
from tests.faults.waiting import eventually

LEAVES_A_FORK = """
import os
import sys
import kubefuture as kf

future = kf.future(input)
if os.fork() == 0:
    sys.stdin.read()  # lives until the test closes this
    os._exit(0)
"""


def test_a_fork_that_outlives_its_program_does_not_keep_its_session():
    with Cluster(1) as cluster:
        script = subprocess.Popen(
            [sys.executable, "-c", LEAVES_A_FORK],
            env=environment(KUBEFUTURE_CONNECTION=str(cluster.connection)),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert script.stdin is not None
        with script.stdin:
            assert script.wait(60) == 0
            eventually(lambda: cluster.status().sessions == 0, "the session's end")
