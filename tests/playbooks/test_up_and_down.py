"""`up` and `down` through the playbooks, with the real scheduler and worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import yaml
from kubefuture.core.runtime_dir import make_socket_folder
from kubefuture.keeper import life
from kubefuture.keeper.places import Places
from kubefuture.project.folder import Project

from tests.playbooks import gates
from tests.playbooks.conftest import pids
from tests.project import kit

SLOW_VALUES = kit.VALUES + "limits:\n  max_workers: 3\n"


def recorded(project: Project) -> list[str]:
    return sorted(path.name for path in project.records.glob("*")) if project.records.exists() else []


def test_up_says_where_they_are_and_what_comes_next_and_down_what_it_looked_at(study):
    up = kit.kubefuture(study, "up")
    assert "2 workers are up on this machine (a study é)." in up.stdout
    assert "Next: make run" in up.stdout
    assert up.stderr == ""
    # Those that say that a step takes long are not counted: a busy machine has more of them.
    said = [line for line in up.stdout.splitlines() if not re.match(r"  \.\.\. \d+ s", line)]
    assert len(said) < 12
    # Keeper, scheduler, worker and two slots.
    assert len(pids(study)) == 5
    assert recorded(study) == ["local.yaml"]

    status = kit.kubefuture(study, "status").stdout
    assert "2 wanted, 2 connected, 0 busy" in status

    down = kit.kubefuture(study, "down")
    assert down.stderr == ""
    for words in (
        "looked at processes that belong to",
        "looked at sockets in",
        "keeper.lock",
        "Nothing is left.",
    ):
        assert words in down.stdout
    assert pids(study) == set()
    assert recorded(study) == []


def test_twice_is_fine(study):
    kit.kubefuture(study, "up")
    before = pids(study)
    assert "2 workers are up already" in kit.kubefuture(study, "up").stdout
    assert pids(study) == before
    kit.kubefuture(study, "down")
    assert "Nothing was up. Nothing is left." in kit.kubefuture(study, "down").stdout


def test_up_mends_a_damaged_connection_file_while_a_script_goes_on(study):
    (study.folder / "job.py").write_text(
        "import kubefuture as kf\nprint(kf.map(abs, [-1]), flush=True)\ninput()\nprint(kf.map(abs, [-2]))\n"
    )
    kit.kubefuture(study, "up")
    command = [sys.executable, "-I", "-m", "kubefuture", "run", "job.py"]
    with subprocess.Popen(
        command, cwd=study.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "[1]\n"
        study.connection_file.write_text("{")
        assert "is damaged" in kit.one_sentence(kit.kubefuture(study, "status", status=1))
        assert "was damaged, and is written anew. What runs goes on." in kit.kubefuture(study, "up").stdout
        assert process.communicate("\n")[0] == "[2]\n"
    assert process.returncode == 0


def test_up_converges_to_the_values(study):
    kit.kubefuture(study, "up")
    keeper = life.holder(Places.of(study).life)
    study.values_file.write_text("workers:\n  count: 3\n  memory: 1Gi\n")
    kit.kubefuture(study, "up")
    assert life.holder(Places.of(study).life) == keeper
    assert "3 wanted, 3 connected" in kit.kubefuture(study, "status").stdout
    study.values_file.write_text("workers:\n  count: 1\n  env:\n    GREETING: hello\n")
    assert "were ended first" in kit.kubefuture(study, "up").stdout
    assert "1 wanted, 1 connected" in kit.kubefuture(study, "status").stdout


def test_scale_changes_the_number_until_the_next_up(study):
    kit.kubefuture(study, "up")
    assert "3 workers from now on" in kit.kubefuture(study, "scale", "3").stdout
    assert "3 wanted, 3 connected" in kit.kubefuture(study, "status").stdout
    kit.kubefuture(study, "scale", "1")
    kit.wait_until(
        lambda: "1 wanted, 1 connected" in kit.kubefuture(study, "status").stdout, "one worker to be left"
    )
    kit.kubefuture(study, "up")
    assert "2 wanted, 2 connected" in kit.kubefuture(study, "status").stdout


@pytest.mark.parametrize("who", ["all", "keeper", "keeper stopped"])
def test_up_and_down_work_after_processes_were_killed_by_hand(study, who):
    def kill() -> None:
        keeper = life.holder(Places.of(study).life)
        kit.kill(
            pids(study) if who == "all" else [keeper],
            signal.SIGSTOP if who == "keeper stopped" else signal.SIGKILL,
        )

    kit.kubefuture(study, "up")
    kill()
    if who != "keeper stopped":
        kit.wait_until(lambda: pids(study) == set(), "all to end")
        assert "2 workers are up on" in kit.kubefuture(study, "up").stdout
        kill()
    assert "Nothing is left." in kit.kubefuture(study, "down").stdout
    assert pids(study) == set()


def test_run_after_processes_were_killed_says_make_up(study):
    (study.folder / "job.py").write_text("")
    kit.kubefuture(study, "up")
    kit.kill(pids(study))
    kit.wait_until(lambda: pids(study) == set(), "all to end")
    assert "make up" in kit.one_sentence(kit.kubefuture(study, "run", "job.py", status=1))


def test_doctor_tells_what_is_up_from_what_was_up_and_what_is_sensible_next(study):
    kit.kubefuture(study, "up")
    shown = kit.kubefuture(study, "doctor").stdout
    assert "Up is local since" in shown
    assert shown.splitlines()[-1].endswith(
        "and the workers are up. Next: make run. After a change in values.yaml: make up. "
        "When you are done: make down."
    )
    good = study.connection_file.read_text()
    study.connection_file.write_text("{")
    shown = kit.kubefuture(study, "doctor").stdout
    assert "connection.json is damaged. Write it anew with `make up`" in shown
    assert shown.endswith("Nothing is in the way. Next: make up\n")
    study.connection_file.write_text(good)
    kit.kill(pids(study))
    kit.wait_until(lambda: not pids(study), "the end of the processes")
    assert "What was started does not answer: local since" in kit.kubefuture(study, "doctor").stdout


def test_a_killed_scheduler_or_worker_comes_back(study):
    kit.kubefuture(study, "up")
    kit.kill(pids(study) - {life.holder(Places.of(study).life)})
    kit.wait_until(
        lambda: "2 connected" in kit.kubefuture(study, "status", status=None).stdout,
        "both workers to be back",
    )


def test_down_needs_neither_values_nor_environment_nor_lock(study):
    kit.kubefuture(study, "up")
    study.values_file.write_text("workers:\n  count: 0\n")
    study.lock_file.unlink()
    study.venv.unlink()
    assert "Nothing is left." in kit.kubefuture(study, "down").stdout


def test_down_without_a_record_finds_what_runs(study):
    kit.kubefuture(study, "up")
    (study.records / "local.yaml").unlink()
    assert "Everything is down. Nothing is left." in kit.kubefuture(study, "down").stdout
    assert pids(study) == set()


def test_down_acts_on_the_record_when_another_login_has_other_folders(study, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    if len(str(folder)) > 40:
        folder = tmp_path.parent / "r"
        folder.mkdir(mode=0o700, exist_ok=True)
    kit.kubefuture(study, "up", XDG_RUNTIME_DIR=str(folder))
    content = yaml.safe_load((study.records / "local.yaml").read_text())
    down = kit.kubefuture(study, "down", XDG_RUNTIME_DIR="")
    for sockets in content["sockets"]:
        assert sockets in down.stdout
    assert list(folder.iterdir()) == []


def test_a_socket_that_a_stranger_has_fails_up_and_is_named_by_down(study):
    places = Places.of(study)
    make_socket_folder(study.folder)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(places.socket))
        stranger.listen()
        sentence = kit.one_sentence(kit.kubefuture(study, "up", status=1))
        assert str(places.socket) in sentence
        assert f"process {os.getpid()}" in sentence
        assert pids(study) == set()
        # Written before anything was tried.
        assert recorded(study) == ["local.yaml"]
        assert f"left: socket {places.socket}" in kit.kubefuture(study, "down", status=3).stderr
    assert "Nothing is left." in kit.kubefuture(study, "down").stdout


def test_something_that_cannot_be_ended_is_named_with_its_code(study):
    places = Places.of(study)
    make_socket_folder(study.folder)
    (places.sockets / "not-a-socket").write_text("mine")
    done = kit.kubefuture(study, "down", status=3)
    assert f"left: socket {places.sockets / 'not-a-socket'}" in done.stderr
    assert "code 3" in kit.one_sentence(done)
    assert recorded(study) == ["local.yaml"]
    (places.sockets / "not-a-socket").unlink()
    kit.kubefuture(study, "down")
    assert recorded(study) == []


def test_a_playbook_that_cannot_look_proves_nothing(study):
    kit.kubefuture(study, "up")
    broken = study.folder / "broken"
    broken.mkdir()
    (broken / "down.yml").write_text("- nonsense\n")
    study.playbooks.unlink()
    study.playbooks.symlink_to(broken)
    done = kit.kubefuture(study, "down", status=4)
    assert "code 4" in done.stderr
    assert recorded(study) == ["local.yaml"]
    assert len(pids(study)) == 5


def test_missing_playbooks_are_explained(study):
    study.playbooks.unlink()
    study.playbooks.write_text("../playbooks")
    sentence = kit.one_sentence(kit.kubefuture(study, "up", status=1))
    assert "symbolic links" in sentence


def test_a_package_that_does_not_exist_leaves_what_runs_alone(study):
    kit.kubefuture(study, "up")
    before = pids(study)
    study.values_file.write_text("packages:\n  pip: [kubefuture-has-no-such-package]\n")
    sentence = kit.one_sentence(kit.kubefuture(study, "up", status=1))
    assert "values.yaml, line 2: packages.pip names kubefuture-has-no-such-package" in sentence
    assert pids(study) == before
    (study.folder / "job.py").write_text("import kubefuture as kf; print(kf.map(abs, [-1, -2]))")
    assert "[1, 2]" in kit.kubefuture(study, "run", "job.py").stdout


def test_an_up_that_fails_before_anything_starts_leaves_no_record(study):
    study.values_file.write_text("packages:\n  pip: [kubefuture-has-no-such-package]\n")
    kit.kubefuture(study, "up", status=1)
    assert recorded(study) == []
    assert "Nothing is up." in kit.kubefuture(study, "doctor").stdout


def test_packages_that_change_reach_the_workers(study, installed):
    kit.kubefuture(study, "up")
    before = pids(study)
    study.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    up = kit.kubefuture(study, "up").stdout
    assert "requirements.lock was compiled anew" in up
    assert "the packages changed" in up
    assert pids(study).isdisjoint(before)
    assert not (installed.venv / "lib").is_symlink()
    (study.folder / "job.py").write_text(
        "import kubefuture as kf\n"
        "def there(_):\n    import iniconfig\n    return iniconfig.__name__\n"
        "print(kf.map(there, range(2)))\n"
    )
    assert "['iniconfig', 'iniconfig']" in kit.kubefuture(study, "run", "job.py").stdout


def test_two_ups_at_once_one_works_and_the_other_says_so(study):
    command = [sys.executable, "-I", "-m", "kubefuture", "up"]
    gate = gates.Ansible(study)
    with subprocess.Popen(command, cwd=study.folder, env=kit.clean_environment()) as first, gate:
        gate.wait()
        complaint = kit.one_sentence(kit.kubefuture(study, "up", status=1))
        assert f"`make up` (process {first.pid})" in complaint
    assert first.returncode == 0
    assert len(pids(study)) == 5


def test_ctrl_c_leaves_something_that_down_can_end(study):
    gates.worker_that_is_never_ready(study)
    command = [sys.executable, "-I", "-m", "kubefuture", "up"]
    with subprocess.Popen(
        command, cwd=study.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        kit.wait_until(lambda: pids(study), "the first process")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "make down" in err
    assert "Traceback" not in err
    kit.wait_until(lambda: kit.kubefuture(study, "down", status=None).returncode == 0, "down to work")
    assert pids(study) == set()


def test_ctrl_c_while_ansible_is_loaded_is_calm(study, tmp_path):
    gate = gates.Ansible(study)
    files = tmp_path / "files"
    files.mkdir()
    with gates.started(study, "up", TMPDIR=str(files)) as process, gate:
        gate.wait()
        os.killpg(process.pid, signal.SIGINT)
        # It has noticed, so that Ansible, which goes on now, finds that there is nothing to do.
        kit.wait_until(lambda: list(files.glob("*/changes.stop")), "the note that says stop")
        gate.open()
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in err


def test_R9_up_says_that_the_journal_is_damaged_starts_nothing_and_deletes_nothing(study):
    journal = study.folder / ".kubefuture" / "local" / "journal" / "journal.sqlite"
    kit.kubefuture(study, "up")
    os.kill(life.holder(Places.of(study).life), signal.SIGKILL)  # `down` would delete the journal
    kit.wait_until(lambda: not pids(study), "the programs' end")
    journal.write_bytes(b"no database" * 1000)
    said = kit.one_sentence(kit.kubefuture(study, "up", status=1))
    assert "The journal of named work" in said and "cannot be used" in said and "copy the folder" in said
    assert journal.read_bytes() == b"no database" * 1000
    assert pids(study) == set()
