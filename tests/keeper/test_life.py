"""The keeper's lock: held by one, given back by the kernel, never fooled by a file."""

from __future__ import annotations

import os
import subprocess
import sys

from kubefuture.keeper import life


def test_only_one_has_it_and_the_other_sees_who(tmp_path):
    path = tmp_path / "keeper.lock"
    assert life.holder(path) is None
    handle = life.take(path)
    assert life.take(path) is None
    assert life.holder(path) == 0
    life.sign(handle)
    assert life.holder(path) == os.getpid()
    os.close(handle)
    assert life.holder(path) is None


def test_a_file_that_a_dead_keeper_left_proves_nothing(tmp_path):
    path = tmp_path / "keeper.lock"
    path.write_text(f"{os.getpid()}\n")
    assert life.holder(path) is None


def test_the_kernel_gives_it_back_when_its_holder_is_killed(tmp_path):
    path = tmp_path / "keeper.lock"
    code = (
        "import sys, pathlib; from kubefuture.keeper import life\n"
        "life.sign(life.take(pathlib.Path(sys.argv[1]))); print(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        assert life.holder(path) == process.pid
        process.kill()
        process.wait()
        assert life.holder(path) is None


def test_a_lock_whose_file_was_replaced_is_not_ours(tmp_path):
    path = tmp_path / "keeper.lock"
    handle = life.take(path)
    path.unlink()
    other = life.take(path)
    assert other is not None
    assert not life.is_held(path, handle)
    assert life.is_held(path, other)
    os.close(handle)
    os.close(other)
