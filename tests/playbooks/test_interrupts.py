"""Ctrl-C in the middle of each step: it ends soon, nothing of the step goes on, and the next command works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from kubefuture.keeper.daemon import PROJECT_VARIABLE

from tests.playbooks import gates
from tests.playbooks.conftest import pids
from tests.project import kit


def interrupt(project, command, title, program):
    """Runs a command until a step is at work, presses Ctrl-C, and returns what it said besides.

    The program stands still until Ctrl-C is pressed, so that neither the step nor the command has ended before.

    Args:
        project: The project.
        command: up or down.
        title: The task's name.
        program: The step, or what it runs, as part of a command line. Some live so shortly that they may be missed;
            then the command has to end well.
    """
    held = []
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "kubefuture", command],
        cwd=project.folder,
        env=kit.clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        for line in process.stdout:
            if line.strip() == title:
                break
        else:
            raise AssertionError(f"it never said {title!r}")

        def at_work():
            for pid, line in commands(project):
                if program in line and hold(pid):
                    held.append(pid)
                    return True
            return process.poll() is not None

        kit.wait_until(at_work, program, 300)
        try:
            if held:
                # As a terminal does: to all of its group.
                os.killpg(process.pid, signal.SIGINT)
        finally:
            kit.kill(held, signal.SIGCONT)
        _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    # The last step may end well before it is interrupted.
    assert process.returncode == 0 or (held and process.returncode == (130 if command == "up" else 4))
    assert bool(err) is bool(process.returncode)
    return err


def hold(pid):
    """Makes a process stand still with all its threads, until SIGCONT; returns whether it had not ended."""
    kit.kill([pid], signal.SIGSTOP)
    kit.wait_until(lambda: threads(pid) <= {"T"}, f"process {pid} stands still")
    return bool(threads(pid))


def threads(pid):
    """The states of a process's threads, without those that are dead."""
    found = set()
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                found.add(Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0])
    return found - {"Z", "X"}


def commands(project):
    """The commands of the project's own that run now: the processes in its folder that no keeper started."""
    of_keeper = f"{PROJECT_VARIABLE}={project.folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or os.readlink(entry / "cwd") != str(project.folder):
                continue
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            # Looked at together with the rest: a program of the keeper's that ends meanwhile is no command.
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        # One without any environment is about to be gone.
        if environment != [b""] and of_keeper not in environment:
            found.append((int(entry.name), line))
    return [one for one in found if one[0] != os.getpid()]


@pytest.mark.parametrize(
    ("title", "step"),
    [
        ("Checking this machine", "kubefuture doctor"),
        ("Recording what is about to be started", "kubefuture record"),
        ("Bringing the Python environment up to date", "kubefuture environment"),
        ("Starting the workers", "kubefuture keeper start"),
    ],
)
def test_ctrl_c_in_any_step_of_up_leaves_no_step_behind_and_the_next_up_works(study, title, step):
    study.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    err = interrupt(study, "up", title, step)
    assert commands(study) == []
    if err:
        assert err.splitlines()[-1].startswith("Interrupted.") and "make down" in err
    assert "2 workers are up" in kit.kubefuture(study, "up").stdout
    assert not list(study.folder.glob(".venv.*")) and not list(study.state.glob("lock-*"))
    assert "Nothing is left." in kit.kubefuture(study, "down").stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_up_that_is_ended_from_outside_takes_its_step_with_it(study, number):
    study.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    command = [sys.executable, "-I", "-m", "kubefuture", "up"]
    gate = gates.Index()
    environment = kit.clean_environment(**gate.variables)
    with subprocess.Popen(command, cwd=study.folder, env=environment) as process, gate:
        gate.wait()
        process.send_signal(number)
        process.wait()
    assert process.returncode == 128 + number
    assert commands(study) == [] and pids(study) == set()


def test_ctrl_c_lets_a_step_that_hangs_end_in_the_end(study):
    study.state.mkdir(exist_ok=True)
    study.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    gate = gates.Index()
    with gates.started(study, "up", **gate.variables) as process, gate:
        gate.wait()
        [step] = [pid for pid, line in commands(study) if line.endswith(" kubefuture environment ")]
        os.kill(step, signal.SIGSTOP)
        # Again and again, as people do.
        kit.wait_until(
            lambda: not Path("/proc", str(step)).exists() or os.killpg(process.pid, signal.SIGINT), "its end"
        )
        err = process.communicate(timeout=300)[1]
    assert process.returncode == 130 and "Interrupted." in err
    assert commands(study) == []


@pytest.mark.parametrize(
    ("title", "step"),
    [
        ("Ending the workers", "kubefuture keeper stop"),
        ("Looking for what is left", "kubefuture keeper look"),
    ],
)
def test_ctrl_c_in_any_step_of_down_proves_nothing_and_the_next_down_does(study, title, step):
    kit.kubefuture(study, "up")
    err = interrupt(study, "down", title, step)
    assert not err or "(code 4)" in err
    assert commands(study) == []
    assert "Nothing is left." in kit.kubefuture(study, "down").stdout
    assert pids(study) == set()
