"""The claims that users can check on their own cluster, on every back end, and how that is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kubefuture.backends.capabilities import CAPABILITIES
from kubefuture.conformance import claim, run

from tests.faults.programs import environment, said
from tests.faults.waiting import LIMIT

KINDS = list(CAPABILITIES)

CLAIMS = [
    pytest.param(function, id=f"{subject}-{name}")
    for subject in claim.SUBJECTS
    for name, function in claim.claims_of(subject).items()
]


@pytest.mark.parametrize("one", CLAIMS)
def test_claim(plan, one):
    one(run.target())


def test_every_file_of_claims_is_a_subject_and_has_some():
    files = {path.stem for path in Path(run.__file__).parent.glob("*.py")} - {"__init__", "claim", "run"}
    assert files == set(claim.SUBJECTS)
    assert all(claim.claims_of(subject) for subject in claim.SUBJECTS)


def test_a_claim_that_does_not_hold_is_told_with_its_reason_and_the_others_are_checked(monkeypatch):
    def one_and_one_are_three(plan):
        assert 1 + 1 == 3

    def an_error_comes(plan):
        raise OSError("no disk")

    monkeypatch.setattr(
        run, "claims_of", lambda subject: {f.__name__: f for f in (one_and_one_are_three, an_error_comes)}
    )
    lines = []
    failed = run.check(["values"], lines.append)
    assert [one.claim for one in failed] == ["one and one are three", "an error comes"]
    assert "0 of 2 hold" in lines[0] and "OSError: no disk" in lines[4]
    assert lines[-1].startswith("0 of 2 claims hold on plan(")


def test_the_command_checks_a_subject_on_a_plan_and_says_so(tmp_path):
    done = command(tmp_path, "--plan", "local:2", "futures", "nesting")
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == "Checking plan 'local' with 2 workers:"
    assert [line.split()[0] for line in rest[:2]] == ["futures", "nesting"]
    assert "12 of 12 claims hold on plan('local', workers=2)" in rest[2] and len(rest) == 3
    assert not said(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--plan", "local:x"], "whole number"),
        (["--plan", "multicore"], "no plan 'multicore'"),
        (["--plan", "sequential", "weather"], "no subject 'weather'"),
        (["--plan", "local", "--address", "tcp://x:1"], "takes no address"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(tmp_path, arguments, reason):
    done = command(tmp_path, *arguments)
    assert done.returncode == 1
    assert reason in done.stderr and len(done.stderr.splitlines()) == 1


def command(folder, *arguments):
    """Runs the command as in the project's own environment."""
    (folder / "program.py").write_text(
        "import argparse, sys\n"
        "from kubefuture.cli import conformance\n"
        "from kubefuture.errors import KubefutureError\n"
        "parser = argparse.ArgumentParser()\n"
        "conformance.add_arguments(parser)\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        sys.exit(conformance.run(None, parser.parse_args()))\n"
        "    except KubefutureError as error:\n"
        "        sys.exit(f'error: {error}')\n"
    )
    return subprocess.run(
        [sys.executable, folder / "program.py", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
