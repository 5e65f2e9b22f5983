"""R20: what needs more memory than workers.memory, the container or the machine allows is ended, and named."""

import os
import subprocess
import sys
import threading

import kubefuture as kf
import pytest
from kubefuture.core.connection import Connection
from kubefuture.errors import PoisonError
from kubefuture.worker.memory import resident_bytes, resident_bytes_of_groups

from tests.faults.waiting import LIMIT, eventually

MIB = 1 << 20


def fill(mebibytes):
    block = bytearray(mebibytes * MIB)
    block[::4096] = b"x" * len(block[::4096])
    if mebibytes > 100:
        threading.Event().wait()  # until somebody ends it
    return len(block)


def answers(connection):
    """Whether somebody listens there: a socket is bound some time before."""
    try:
        Connection.load(connection).dial(LIMIT).close()
    except OSError:
        return False
    return True


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and a worker with two slots of 150 MiB each."""
    connection = tmp_path / "connection.json"
    Connection("test", "local", f"unix:{tmp_path}/s", "ab" * 32).save(connection)
    (tmp_path / "slots").write_text("2\n")
    common = ["--connection", str(connection), "--slots-file", str(tmp_path / "slots")]
    log = (tmp_path / "worker.log").open("w")
    programs = [
        subprocess.Popen([sys.executable, "-m", "kubefuture.scheduler", *common]),
        subprocess.Popen(
            [sys.executable, "-m", "kubefuture.worker", *common, "--memory-per-slot", str(150 * MIB)],
            stderr=log,
        ),
    ]
    eventually(lambda: answers(connection), "the scheduler listens")
    with kf.plan("cluster", connection=connection):
        yield tmp_path
    for program in programs:
        program.terminate()
        program.wait()
    log.close()


def test_R20_an_element_that_needs_too_much_memory_is_named_and_the_others_finish(cluster):
    with pytest.raises(PoisonError, match=r"Element 1 .*workers\.memory.*MiB") as caught:
        kf.map(fill, [1, 400, 2, 3])
    assert caught.value.index == 1
    assert kf.map(fill, [1, 2, 3]) == [MIB, 2 * MIB, 3 * MIB]
    assert "ended for want of memory" in (cluster / "worker.log").read_text()


CHILD = "block = bytearray({size}); block[::4096] = b'x' * len(block[::4096]); input()"


def fill_in_a_child(mebibytes):
    code = CHILD.format(size=mebibytes * MIB)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        if mebibytes > 100:
            threading.Event().wait()  # until somebody ends it
        child.communicate(b"\n")
    return mebibytes


def test_R20_what_an_elements_own_processes_need_counts_as_its_own(cluster):
    assert kf.map(fill_in_a_child, [1, 2]) == [1, 2]
    with pytest.raises(PoisonError, match=r"Element 1 .*workers\.memory.*this slot [2-5]\d\d MiB") as caught:
        kf.map(fill_in_a_child, [1, 400, 2, 3])
    assert len(caught.value.reasons) == 3
    assert kf.map(fill_in_a_child, [1, 2]) == [1, 2]
    killed = [line for line in (cluster / "worker.log").read_text().splitlines() if " slot-killed " in line]
    assert len(killed) == 3 and all("worker=" in line and "slot=" in line for line in killed)


def test_the_memory_of_a_process_that_is_gone_is_none():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert resident_bytes(process.pid) == 0


def test_shared_pages_do_not_count(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1/statm").write_text("1000 500 100 1 0 300 0\n")
    assert resident_bytes(1, tmp_path) == 400 * os.sysconf("SC_PAGE_SIZE")


def test_what_a_slot_has_started_counts_as_its_own(tmp_path):
    for pid, group, pages in ((10, 10, 100), (11, 10, 7), (20, 20, 1), (30, 30, 1000)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / f"{pid}/statm").write_text(f"5000 {pages} 0 1 0 300 0\n")
        (tmp_path / f"{pid}/stat").write_text(f"{pid} (a ) b) S 1 {group} 1 0\n")
    (tmp_path / "12").mkdir()
    page = os.sysconf("SC_PAGE_SIZE")
    assert resident_bytes_of_groups([10, 20], tmp_path) == {10: 107 * page, 20: page}
