"""Who keeps a worker process of Dask's running in its pod."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from kubefuture.core.cgroups import MemoryGroup, Use
from kubefuture.pod.dask_supervisor import DaskSupervisor

from tests.faults.waiting import eventually

PROGRAM = (
    "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); open(sys.argv[2], 'w').close(); "
    "time.sleep(60)"
)


class Group(MemoryGroup):
    """A control group that uses as much of its limit as it is told to."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), unified=True)
        self.used = 10 << 20

    def over(self, share: float) -> Use | None:
        use = Use(self.used, 100 << 20)
        if use.used <= share * use.limit:
            return None
        self.used = 10 << 20  # since that process is about to be ended
        return use


def started(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_r20_a_process_that_takes_too_much_memory_is_ended_by_name_and_another_one_started(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    group, pids, ready = Group(), tmp_path / "pids", tmp_path / "ready"
    supervisor = DaskSupervisor([sys.executable, "-c", PROGRAM, str(pids), str(ready)], {}, ready, [group])
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()))
    thread.start()
    eventually(lambda: len(started(pids)) == 1 and ready.exists(), "the first process")
    group.used = 91 << 20
    eventually(lambda: not ready.exists(), "the end of the first")
    eventually(lambda: len(started(pids)) >= 2 and ready.exists(), "another one")
    supervisor.end()
    thread.join(30)
    assert codes == [0]
    said = capfd.readouterr().err
    assert "want of memory: the container used 91 MiB of the 100 MiB that it may (workers.memory)" in said
    assert "has ended by signal 9; another one is started" in said
