"""A new project's own commands, run as its user would: up, run, status, scale, logs, down, test, lint."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

import pytest

from tests.playbooks.tree import tree
from tests.template import kit

SMALL = "ARGS=--elements 6 --draws 1000"


@pytest.fixture
def up(project: Path):
    """The project with its workers up; they are down after the test."""
    kit.make(project, "up")
    yield project
    kit.make(project, "down")


def processes_of(project: Path) -> list[str]:
    """The command lines of the programs that run for this project."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in listed.splitlines()[1:]:
        pid = line.split()[0]
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(project.resolve()):
                found.append(line)
        except OSError:
            continue
    return found


def means_in(project: Path) -> list[float]:
    """What the example computed."""
    with open(project / "outputs" / "means.csv", encoding="utf-8") as file:
        return [float(row["mean"]) for row in csv.DictReader(file)]


def test_up_run_down_is_the_whole_story(project):
    kit.make(project, "doctor")
    said = kit.make(project, "up").stdout
    assert "make run" in said
    said = kit.make(project, "run", SMALL).stdout
    assert "Elements: 6, each the mean of 1,000 draws, seed 1" in said
    assert "Workers:  2" in said
    assert "Speed-up:" in said
    assert len(means_in(project)) == 6
    assert (project / "outputs" / "means.png").read_bytes().startswith(b"\x89PNG")
    kit.make(project, "down")
    assert processes_of(project) == []
    assert not (project / ".kubefuture" / "connection.json").exists()
    kit.make(project, "down")


def test_CHECK_only_looks_on_the_command_line_and_in_the_shell(project):
    kit.make(project, "doctor")
    before = tree(project)
    for command, words in (("up", "`make up` would"), ("down", "would delete nothing")):
        for how in (["CHECK=1"], {"CHECK": "yes"}):
            given, shell = (how, {}) if isinstance(how, list) else ([], how)
            assert words in kit.make(project, command, *given, env=kit.environment(**shell)).stdout
    for command in ("scale N=3", "lock", "rotate", "update"):
        done = kit.make(project, *command.split(), "CHECK=1", status=2)
        assert (
            f"make {command.split()[0]} did nothing: CHECK=1 is for make up and make down alone"
            in done.stderr
        )
    assert tree(project) == before
    assert "--check" not in kit.make(project, "--dry-run", "up", "CHECK=0").stdout
    assert "--check" in kit.make(project, "--dry-run", "down", "CHECK=1").stdout


def test_the_means_do_not_depend_on_the_workers(up):
    kit.make(up, "run", SMALL)
    two = means_in(up)
    kit.make(up, "scale", "N=3")
    assert "Workers:  3" in kit.make(up, "run", SMALL).stdout
    assert means_in(up) == two


def test_status_and_logs_say_what_runs(up):
    assert "2" in kit.make(up, "status").stdout
    assert kit.make(up, "logs").stdout.strip()


def test_a_script_of_ones_own_imports_the_projects_modules(up):
    script = up / "my own.py"
    script.write_text(
        "import sys\nfrom analysis.means import compute\nprint(sys.argv[1:], len(compute(3, 10, 1)))\n"
    )
    try:
        said = kit.make(up, "run", "SCRIPT=my own.py", "ARGS=--name 'two words'").stdout
    finally:
        script.unlink()
    assert "['--name', 'two words'] 3" in said


def test_variables_of_the_shell_are_for_the_script_alone(up):
    script = up / "mine.py"
    script.write_text("import os, sys\nprint(sys.argv[1:], os.environ['ARGS'], os.environ['N'])\n")
    shell = kit.environment(ARGS="of the shell", N="9", SCRIPT="nowhere.py")
    try:
        said = kit.make(up, "run", "SCRIPT=mine.py", env=shell).stdout
    finally:
        script.unlink()
    assert "[] of the shell 9" in said
    assert "make scale N=" in kit.make(up, "scale", status=2, env=shell).stderr


def test_run_before_up_says_so(project):
    done = kit.make(project, "run", status=2)
    assert "make up" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_scale_without_a_number_says_how(up):
    done = kit.make(up, "scale", status=2)
    assert "make scale N=" in done.stdout + done.stderr


def test_the_projects_own_tests_pass(project):
    assert "4 passed" in kit.make(project, "test").stdout


def test_the_projects_own_checks_pass(project):
    kit.make(project, "lint")


def test_git_can_make_the_checks_before_a_commit(project, tmp_path):
    kit.git(project, "init", "--quiet", "--initial-branch=main")
    try:
        kit.make(project, "hooks")
        kit.commit(project, "Start")
        (project / "analysis" / "bad.py").write_text("import os\n")
        kit.git(project, "add", "analysis/bad.py")
        refused = kit.run("git", "commit", "--message", "Bad", cwd=project, status=1)
        assert "F401" in refused.stdout + refused.stderr
    finally:
        (project / "analysis" / "bad.py").unlink(missing_ok=True)
        subprocess.run(["rm", "-rf", project / ".git"], check=True)


def test_hooks_without_git_say_what_to_do(project):
    done = kit.make(project, "hooks", status=2)
    assert "git init" in done.stderr


def test_the_first_lock_is_current(project):
    before = (project / "requirements.lock").read_bytes()
    kit.make(project, "up")
    kit.make(project, "down")
    assert (project / "requirements.lock").read_bytes() == before


def test_clean_refuses_while_workers_are_up(up):
    done = kit.make(up, "clean", status=2)
    assert "make down" in done.stderr
    assert (up / ".venv").exists()
