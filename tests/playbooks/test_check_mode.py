"""`make up CHECK=1` and `make down CHECK=1` say what would change, change nothing, and are right about it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from kubefuture.core.runtime_dir import socket_folder
from kubefuture.project import mutex

from tests.playbooks import gates
from tests.playbooks.conftest import pids
from tests.playbooks.tree import tree
from tests.project import kit

NOTHING = "Nothing was changed, and `make up` would change nothing."


def check(project, command="up", *, status=0):
    """Runs a command in check mode; returns what it says, and sees that it has changed nothing."""
    before, running, sockets = tree(project.folder), pids(project), socket_folder(project.folder).exists()
    done = kit.kubefuture(project, command, "--check", status=status)
    assert tree(project.folder) == before
    assert pids(project) == running
    assert socket_folder(project.folder).exists() == sockets
    return done


def foreseen(done):
    """What a command says that it would change."""
    found = re.search(r"would (?:change|delete): (.*)\.$", done.stdout, re.MULTILINE)
    return found[1].split(", ") if found else []


def changed(done):
    """What `up` says that it has changed."""
    found = re.search(r"^Changed: (.*)\.$", done.stdout, re.MULTILINE)
    return found[1].split(", ") if found else []


def test_a_project_without_lock_and_environment_is_told_which_packages_it_would_get(project):
    project.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    done = check(project)
    assert foreseen(done) == ["the record", "requirements.lock", ".venv", "the workers"]
    assert re.search(r"would make .* \.venv: it is the first; new iniconfig \d", done.stdout)
    assert "numpy" in done.stdout and "colorama" not in done.stdout
    assert "would start 2 workers on this machine" in done.stdout
    assert not project.state.exists()


def test_up_does_what_was_foreseen_and_the_second_up_nothing(study):
    expected = foreseen(check(study))
    up = kit.kubefuture(study, "up")
    assert changed(up) == expected == ["the record", "the workers"]
    assert up.stdout.splitlines()[-1].startswith("Next: make run.")
    assert NOTHING in check(study).stdout
    second = kit.kubefuture(study, "up").stdout
    assert "Nothing had to change." in second and "Changed" not in second


def test_ansible_counts_what_was_changed_and_in_check_mode_what_would_be(study):
    def recap(*options):
        told = {"provider": "local", "tools_python": sys.executable, "project_python": str(study.venv_python)}
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-e", json.dumps(told)]
        done = subprocess.run(
            [*command, *options, str(study.playbooks / "up.yml")],
            cwd=study.folder,
            env=kit.clean_environment(
                ANSIBLE_CONFIG=str(study.playbooks / "ansible.cfg"),
                ANSIBLE_STDOUT_CALLBACK="default",
                LC_ALL="C.UTF-8",
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        return int(re.search(r"changed=(\d+)", done.stdout)[1])

    assert recap("--check") == 2
    assert pids(study) == set() and not study.state.exists()
    assert recap() == 2
    assert recap() == recap("--check") == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("workers:\n  count: 3\n  memory: 1Gi\n", "the number of workers: 2 → 3"),
        ("workers:\n  memory: 512Mi\n", "would end the workers that run, since their settings"),
    ],
)
def test_a_change_of_values_is_told_as_what_it_does_to_the_workers(study, values, words):
    kit.kubefuture(study, "up")
    study.values_file.write_text(values)
    done = check(study)
    assert words in done.stdout
    assert foreseen(done) == changed(kit.kubefuture(study, "up")) == ["the workers"]


def test_other_packages_are_named_and_end_the_workers(study):
    kit.kubefuture(study, "up")
    study.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    done = check(study)
    assert re.search(r"the packages changed; new iniconfig [\d.]+$", done.stdout, re.MULTILINE)
    assert "would end the workers that run" in done.stdout
    assert foreseen(done) == ["requirements.lock", ".venv", "the workers"]


def test_a_package_that_does_not_exist_is_named_with_its_line(study):
    study.values_file.write_text("packages:\n  pip: [no-such-package-here-1]\n")
    assert "values.yaml, line 2" in kit.one_sentence(check(study, status=1))
    assert not (study.state / "logs").exists()


def test_a_damaged_connection_file_and_dead_processes_are_foreseen(study):
    kit.kubefuture(study, "up")
    study.connection_file.write_text("{")
    assert foreseen(check(study)) == changed(kit.kubefuture(study, "up")) == ["the connection file"]
    kit.kill(pids(study))
    kit.wait_until(lambda: not pids(study), "the end of the processes")
    assert foreseen(check(study)) == changed(kit.kubefuture(study, "up")) == ["the workers"]


def test_what_stands_in_the_way_of_up_is_said_by_the_check_too(study):
    study.values_file.write_text("workers:\n  count: 0\n")
    assert "values.yaml, line 2" in kit.one_sentence(check(study, status=1))
    study.values_file.write_text("")
    study.state.mkdir(exist_ok=True)
    with kit.unwritable(study.state) as prefix:
        done = kit.kubefuture(study, "up", "--check", status=1, prefix=prefix)
    assert "No permission" in kit.one_sentence(done)


def test_an_environment_of_somebody_elses_is_refused_by_the_check_too(project):
    project.venv.mkdir()
    (project.venv / "mine").write_text("")
    assert "was not made by `make up`" in kit.one_sentence(check(project, status=1))


def test_down_lists_what_it_would_delete(study):
    assert "Nothing is up, so `make down` would delete nothing." in check(study, "down").stdout
    kit.kubefuture(study, "up")
    done = check(study, "down")
    assert foreseen(done) == ["the workers", "their files", "the journal"]
    for pid in pids(study):
        assert str(pid) in done.stdout
    assert "connection.json" in done.stdout and "Looking for what is left" not in done.stdout
    kit.kubefuture(study, "down")
    assert "would delete nothing" in check(study, "down").stdout


def test_down_without_a_record_foresees_what_runs(study):
    kit.kubefuture(study, "up")
    (study.records / "local.yaml").unlink()
    assert "the workers" in foreseen(check(study, "down"))


def test_a_check_waits_for_nobody_and_says_who_works(study):
    with mutex.project_lock(study, "make up"):
        assert "`make up` (process" in kit.one_sentence(
            kit.kubefuture(study, "up", "--check", status=1, KUBEFUTURE_LOCK_HELD="")
        )


def test_two_checks_go_together(study):
    kit.kubefuture(study, "up")
    command = [sys.executable, "-I", "-m", "kubefuture", "up", "--check"]
    both = [
        subprocess.Popen(
            command, cwd=study.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        said, _ = process.communicate()
        assert process.returncode == 0 and NOTHING in said


def test_ctrl_c_in_a_check_says_that_nothing_was_changed(study):
    study.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    before = tree(study.folder)
    gate = gates.Index()
    with gates.started(study, "up", "--check", **gate.variables) as process, gate:
        gate.wait()
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted. Nothing was changed."
    assert tree(study.folder) == before
