"""The claims can be checked by a command, in a project and without one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.waiting import LIMIT


def command(folder, *words):
    words = [sys.executable, "-m", "kubefuture", "conformance", *words]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=LIMIT)


@pytest.mark.parametrize("plan", ["sequential", "local:2"])
def test_without_a_project_claims_are_checked_where_the_command_is_called(plan, tmp_path):
    done = command(tmp_path, "--plan", plan, "values", "seeds")
    assert done.returncode == 0, done.stderr
    first, values, seeds, last = done.stdout.splitlines()
    assert (
        first
        == f"Checking plan {plan.partition(':')[0]!r} with {plan.partition(':')[2] or 1} workers:".replace(
            "1 workers", "1 worker"
        )
    )
    assert "hold" in values and "hold" in seeds and "claims hold on plan(" in last


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--plan", "cluster"], "There is no cluster"),
        (["--plan", "clusters"], "There is no plan 'clusters'"),
        (["--plan", "local:two"], "a whole number"),
        (["value"], "There is no subject 'value'"),
    ],
)
def test_what_cannot_be_checked_is_said_in_a_sentence(words, sentence, tmp_path):
    done = command(tmp_path, *words)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and sentence in done.stderr and done.stderr.count("\n") == 1
