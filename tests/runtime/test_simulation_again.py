"""A simulation that fails says how to have the same failure again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BROKEN = """
from kubefuture.machine.machine import Machine
from kubefuture.protocol.messages import Done
whole = Machine.received
def received(self, party, message, now):
    if not isinstance(message, Done) or message.parts[0].lease % 30:
        whole(self, party, message, now)
Machine.received = received
"""


@pytest.mark.parametrize(
    "test",
    [
        "test_simulation.py::test_a_long_random_run_loses_nothing_and_leaks_nothing",
        "test_simulation.py::test_R7_nothing_is_run_twice_but_what_had_reached_only_a_scheduler_that_died",
        "test_simulation_named.py::test_R5_R6_R8_a_long_random_run_with_named_maps_keeps_every_promise",
        "test_simulation_timed.py::test_R11_sessions_share_a_slot_fairly_but_for_ten_seconds_and_a_chunk",
    ],
)
def test_a_failing_simulation_ends_with_the_command_that_fails_in_the_same_way(test, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    first = said(f"{sys.executable} -m pytest -n 0 -x 'tests/runtime/{test}'", tmp_path)
    (command,) = re.findall(r"Again with -+\n(.+)\n", first)
    assert test in command
    again = said(command.replace(".venv/bin/python", sys.executable), tmp_path)
    assert errors(first) == errors(again) != []


def said(command: str, folder: Path) -> str:
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    chosen = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "-p broken -p no:cacheprovider"}
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=chosen, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    return done.stdout


def errors(report: str) -> list[str]:
    """The lines of the error, without what has another address each time."""
    return [re.sub(r"0x[0-9a-f]+", "", line) for line in report.splitlines() if line.startswith("E  ")]
