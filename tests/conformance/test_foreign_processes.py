"""User code that starts processes or closes descriptors harms nobody but itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.errors import PoisonError

pytestmark = pytest.mark.usefixtures("all_slots_work")


@pytest.mark.parametrize("end", ["return", "exit", "raise"])
@pytest.mark.parametrize("chunk_size", [1, 7])
def test_a_process_that_an_element_forks_has_no_part_in_its_work(pool, tmp_path, end, chunk_size):
    def fork(index):
        with open(tmp_path / str(index), "a") as runs:
            runs.write("x")
        if index % 3 == 0 and os.fork() == 0:
            if end == "exit":
                sys.exit(3)
            if end == "raise":
                raise ValueError(index)
            return "of the child"
        return index

    assert kf.map(fork, range(20), chunk_size=chunk_size) == list(range(20))
    assert [(tmp_path / str(index)).read_text() for index in range(20)] == ["x"] * 20


def test_a_program_that_an_element_starts_does_not_inherit_the_slots_sockets(pool):
    def inherited(_):
        return subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True)

    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc here")
    assert "socket" not in kf.future(inherited, 0).result().stdout


def test_an_element_that_closes_its_slots_sockets_is_named(pool):
    def close(index):
        if index == 3:
            os.closerange(3, 200)
        return index

    with pytest.raises(PoisonError, match="Element 3") as caught:
        kf.map(close, range(8))
    assert caught.value.index == 3
