"""What named work refers to is on the scheduler's disk before it is accepted, and stays as long as it (R5, R6, R29)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.core.blobs import BlobError
from kubefuture.errors import NamedMapError

from tests.faults.waiting import LIMIT, eventually
from tests.runtime.links import CLIENT, SIZE, FarCluster, far, stopped

__all__ = ["far"]

LEAVE = """
rows = kf.share(np.arange(6 << 17, dtype=float).reshape(2, -1) + 1.0)
stream = kf.imap(
    lambda x, row: (float(array[x]), float(row[0]), reach(port, x) if x in (0, 1) else ""),
    range(20), [rows[1]] * 20, name="work", chunk_size=1,
)
"""

GROW = """
import time
def inputs():
    for number in range(6):
        if number == 3:
            reach(port, "inputs")
        yield kf.share(np.full(6 << 15, float(number)))
        time.sleep(0.02)  # so that what was read is sent
print(list(kf.imap(lambda row: float(row[0]) + float(array[1]), inputs())))
"""

EXPECTED = [(float(x), 3 * (1 << 17) + 1.0, "on" if x in (0, 1) else "") for x in range(20)]


def program(far: FarCluster, text: str, port: int, **more: str) -> subprocess.Popen[str]:
    """A client of its own."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", text, str(far.to_client.connection), str(port)],
        env={**os.environ, "PYTHONPATH": path, **more}, cwd=here, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("near", [False, True], ids=["elsewhere", "on the same machine"])
def test_R5_a_map_with_large_data_outlives_its_client_the_scheduler_and_the_worker(far, checkpoint, near):
    text = CLIENT.replace('blobs.this_machine = lambda: ""\n', "") if near else CLIENT
    client = program(far, text + LEAVE, checkpoint.port)
    visits = checkpoint.take(2)
    client.communicate(timeout=LIMIT)
    assert client.returncode == 0, "it left"
    far.kill_worker()
    far.kill_scheduler()
    del visits
    far.start_scheduler()
    far.start_worker()
    for visit in checkpoint.take(2):
        visit.go("on")
    assert kf.attach("work") == EXPECTED
    assert len(far.files(far.scheduler_blobs)) == 2
    assert far.to_client.parts == 2 * SIZE
    kf.forget("work")
    kf.map(abs, [-1], name="later")  # it is recorded behind that
    far.kill_scheduler()
    far.start_scheduler()
    assert not far.files(far.scheduler_blobs), "R29: nothing needs it any more"


def test_R6_a_map_is_not_accepted_before_its_data_is_on_disk(far):
    array = np.arange(SIZE // 8, dtype=float)
    outcome: list[object] = []
    far.to_client.stop_at(SIZE // 2)
    thread = threading.Thread(
        target=lambda: outcome.append(kf.map(lambda x: float(array[x]), range(5), name="half"))
    )
    thread.start()
    stopped(far.to_client)
    far.kill_scheduler()
    far.to_client.part()  # so that nothing is sent anew yet
    far.start_scheduler()
    assert not far.files(far.scheduler_blobs), "what was half there is gone"
    with (
        kf.plan("cluster", connection=far.connection),
        pytest.raises(NamedMapError, match="no map named 'half'"),
    ):
        kf.attach("half")
    far.to_client.go_on()
    far.to_client.mend()
    thread.join(LIMIT)
    assert outcome == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    (file,) = far.files(far.scheduler_blobs)
    assert file.stat().st_size == SIZE
    kf.forget("half")


def test_R6_data_that_an_unnamed_map_brought_is_kept_for_a_named_one(far):
    array = np.arange(SIZE // 8, dtype=float)
    assert kf.map(lambda x: float(array[x]), range(3)) == [0.0, 1.0, 2.0]
    assert kf.map(lambda x: float(array[x]), range(4), name="same") == [0.0, 1.0, 2.0, 3.0]
    assert far.to_client.parts == SIZE
    far.kill_scheduler()
    far.start_scheduler()
    assert len(far.files(far.scheduler_blobs)) == 1
    assert kf.attach("same") == [0.0, 1.0, 2.0, 3.0]
    kf.forget("same")


def test_R5_a_run_that_is_started_anew_goes_on_with_data_that_the_first_one_never_had(far, checkpoint):
    run = {"KUBEFUTURE_RUN": "run-1"}
    first = program(far, CLIENT + GROW, checkpoint.port, **run)
    visit = checkpoint.next()
    eventually(lambda: "map-opened" in far.scheduler.text(), "the map's beginning")
    first.kill()
    first.communicate()
    visit.left()
    far.kill_scheduler()
    far.start_scheduler()
    second = program(far, CLIENT + GROW, checkpoint.port, **run)
    checkpoint.next().go()
    said, _ = second.communicate(timeout=LIMIT)
    assert said.strip() == str([number + 1.0 for number in range(6)])
    assert kf.attach("run-1/1") == [number + 1.0 for number in range(6)]
    kf.forget("run-1/1")


def test_R26_data_that_was_damaged_on_disk_and_that_nobody_has_any_more_is_a_clear_error(far, checkpoint):
    client = program(far, CLIENT + LEAVE, checkpoint.port)
    visits = checkpoint.take(2)
    client.communicate(timeout=LIMIT)
    far.kill_worker()
    del visits
    for file in far.files(far.scheduler_blobs):
        with file.open("r+b") as content:
            content.seek(SIZE // 2)
            content.write(b"damaged")
    far.start_worker()
    with pytest.raises(
        BlobError, match=rf"{SIZE} bytes of captured data could not be had on \S+: its bytes are not"
    ):
        kf.attach("work")
    kf.forget("work")
    assert kf.map(abs, [-1]) == [1] and "blob-unsound" in far.scheduler.text()


def test_R16_a_named_stream_may_refer_to_more_and_more_shared_data(far):
    def rows():
        for number in range(12):
            yield kf.share(np.full(1 << 18, float(number)))

    stream = kf.options(name="stream").imap(lambda row: float(row[-1]), rows())
    assert list(stream) == [float(number) for number in range(12)]
    assert kf.attach("stream") == [float(number) for number in range(12)]
    kf.forget("stream")
