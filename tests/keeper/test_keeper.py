"""The keeper with real processes: it starts, keeps and ends them, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
from kubefuture.core.connection import Connection
from kubefuture.keeper import life
from kubefuture.keeper.proof import look
from kubefuture.keeper.stop import stop
from kubefuture.project.errors import ProjectError

from tests.project import kit


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_start_returns_when_all_are_ready_and_stop_leaves_nothing(study):
    started = study.start("ready", "ready", GREETING="hello é")
    assert not started.was_up
    [scheduler], [worker] = study.starts("a"), study.starts("b")
    keeper = life.holder(study.places.life)
    assert study.living() == {keeper, scheduler, worker}
    assert (study.lives("b") / str(worker)).read_text() == "hello é"
    connection = Connection.load(study.places.project.connection_file)
    assert connection.address == f"unix:{study.places.socket}"
    assert study.places.project.slots_file.read_text() == "2\n"

    proof = stop(study.places)
    assert proof.left == proof.unchecked == []
    assert len(proof.looked) == 3
    assert study.living() == set()
    assert not study.places.sockets.exists()
    assert sorted(path.name for path in study.places.project.local.iterdir()) == ["logs"]


def test_the_log_of_a_program_that_writes_no_times_begins_with_the_time_of_its_start(study):
    study.start("ready")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\S+Z is started\n", study.places.log("a").read_text())


def test_stopping_twice_is_fine(study):
    study.start("ready")
    stop(study.places)
    assert stop(study.places).left == []


def test_starting_twice_keeps_what_runs(study):
    study.start("ready", "ready")
    before = study.living()
    assert study.start("ready", "ready").was_up
    assert study.living() == before


def test_starting_again_with_another_count_asks_the_scheduler(study):
    study.start("ready", slots=2)
    asked = []
    study.start(
        "ready", slots=3, rescale=lambda connection, slots: asked.append((connection.provider, slots))
    )
    assert asked == [("local", 3)]


def test_starting_again_with_other_settings_replaces_what_runs(study):
    study.start("ready", digest="one")
    before = study.living()
    started = study.start("ready", digest="two")
    assert started.replaced
    assert study.living().isdisjoint(before)


def test_two_starts_at_once_make_one_keeper(study):
    results, errors = [], []

    def go():
        try:
            results.append(study.start("ready", "ready"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(result.was_up for result in results) == [False, True, True, True]
    assert len(study.starts("a")) == len(study.starts("b")) == 1


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("refuse", ["The port is taken by process 1."]),
        ("crash", ["The b ended with exit code 1", "RuntimeError: the disk is made of cheese"]),
        ("silent", ["The b ended with exit code 7, and said nothing"]),
    ],
)
def test_a_program_that_cannot_start_says_why_to_the_one_who_asked_and_nothing_is_left(
    study, behaviour, words
):
    with pytest.raises(ProjectError) as caught:
        study.start("ready", behaviour)
    for word in ["Nothing was started.", *words, ".kubefuture/local/logs"]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert study.living() == set()
    assert look(study.places).left == []


def test_a_program_that_never_gets_ready_is_given_up(study):
    with pytest.raises(ProjectError, match=r"The a was not ready after 0 s"):
        study.start("hang", start_limit=0.2)
    assert look(study.places).left == []


def test_a_program_that_cannot_be_executed_is_named(study):
    plan = study.plan("ready")
    program = plan.programs[0].__class__("a", ("/nowhere/python",), {})
    from dataclasses import replace

    from kubefuture.keeper.start import start

    with pytest.raises(
        ProjectError, match=r"The a could not be started\. No such file or directory: /nowhere"
    ):
        start(study.places, replace(plan, programs=(program,)), 1, rescale=lambda *_: None)
    assert look(study.places).left == []


def test_a_program_that_dies_is_started_again(study):
    study.start("ready", "ready")
    [worker] = study.starts("b")
    os.kill(worker, signal.SIGKILL)
    kit.wait_until(lambda: len(study.starts("b")) == 2, "the second life of b")
    assert len(study.starts("a")) == 1
    log = study.places.log("keeper").read_text()
    assert "The b was ended by signal 9 (SIGKILL)" in log


def test_a_program_that_keeps_crashing_does_not_hold_the_next_start_up(study):
    study.start("ready", "crash-once-up")
    [worker] = study.starts("b")
    os.kill(worker, signal.SIGKILL)
    kit.wait_until(lambda: len(study.starts("b")) > 2, "b to crash")
    assert json.loads(study.places.state.read_text())["ready"] is False
    with pytest.raises(ProjectError, match="never again"):
        study.start("ready", "crash-once-up")
    assert look(study.places).left == []


def test_programs_end_when_their_keeper_is_killed(study):
    study.start("ready", "ready")
    keeper = life.holder(study.places.life)
    os.kill(keeper, signal.SIGKILL)
    kit.wait_until(lambda: study.living() == set(), "all to end with their keeper")


def test_up_and_down_work_after_everything_was_killed(study):
    study.start("ready", "ready")
    kit.kill(study.living())
    kit.wait_until(lambda: study.living() == set(), "all to be dead")
    assert study.places.life.exists()
    assert study.places.project.connection_file.exists()
    assert not study.start("ready", "ready").was_up
    kit.kill(study.living())
    kit.wait_until(lambda: study.living() == set(), "all to be dead")
    assert stop(study.places).left == []


def test_a_pid_that_went_to_somebody_else_after_a_reboot_is_left_alone(study):
    study.places.project.logs.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        study.places.life.write_text(f"{stranger.pid}\n")
        study.places.state.write_text(json.dumps({"pid": stranger.pid, "programs": {"a": stranger.pid}}))
        assert stop(study.places).left == []
        assert stranger.poll() is None
        stranger.stdin.close()


def test_a_keeper_and_programs_that_do_not_listen_are_killed(study):
    study.start("deaf", "deaf")
    living = study.living()
    os.kill(life.holder(study.places.life), signal.SIGSTOP)
    proof = stop(study.places, patience=0.5)
    assert proof.left == []
    kit.wait_until(lambda: not any(alive(pid) for pid in living), "the kernel has ended them all")


def test_grandchildren_that_were_left_behind_are_found_and_ended(study):
    study.start("ready", "parent")
    assert len(study.living()) == 4
    stop(study.places)
    assert study.living() == set()


def test_what_was_left_by_a_killed_keeper_is_ended_before_the_next_start(study):
    study.start("ready", "parent")
    kit.kill([life.holder(study.places.life), *study.starts("b")])
    kit.wait_until(lambda: len(study.living()) == 1, "only the stray to be left")
    stray = study.living()
    study.start("ready", "ready")
    assert study.living().isdisjoint(stray)


def test_a_stale_socket_is_replaced(study):
    study.places.sockets.mkdir(parents=True, mode=0o700)
    study.places.sockets.parent.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(study.places.socket))
    assert study.places.socket.exists()
    study.start("ready")


def test_a_socket_that_a_stranger_answers_is_named_and_left_alone(study):
    study.places.sockets.mkdir(parents=True, mode=0o700)
    study.places.sockets.parent.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(study.places.socket))
        stranger.listen()
        with pytest.raises(ProjectError) as caught:
            study.start("ready")
        assert str(study.places.socket) in str(caught.value)
        assert f"process {os.getpid()}" in str(caught.value)
        assert stop(study.places).left == [f"socket {study.places.socket}"]
    assert study.places.socket.exists()


def test_a_file_in_the_sockets_place_is_named_and_left_alone(study):
    study.places.sockets.mkdir(parents=True, mode=0o700)
    study.places.sockets.parent.chmod(0o700)
    study.places.socket.write_text("mine")
    with pytest.raises(ProjectError, match="is in the way"):
        study.start("ready")
    assert study.places.socket.read_text() == "mine"
    assert any("scheduler.sock" in line for line in look(study.places).left)
    study.places.socket.unlink()


def test_a_project_that_was_moved_while_it_was_up_can_be_ended(study, tmp_path):
    study.start("ready", "ready")
    old = study.places
    new_folder = tmp_path / "moved"
    old.project.folder.rename(new_folder)
    from kubefuture.keeper.places import Places
    from kubefuture.project.folder import Project

    moved = Places.of(Project(new_folder), [str(old.project.folder)], [str(old.sockets)])
    proof = stop(moved)
    assert proof.left == []
    assert str(old.project.folder) in proof.looked[0]


def test_a_full_disk_is_named_and_nothing_is_left(study, request):
    disk = kit.full_disk(study.places.project.local, request)
    study.places.project.logs.mkdir(parents=True)
    kit.fill(disk)
    with pytest.raises(ProjectError, match=r"Nothing was started\. The disk is full"):
        study.start("ready")
    assert study.living() == set()
    assert look(study.places).left == []
    (disk / "ballast").unlink()
    study.start("ready")
    stop(study.places)


def test_a_disk_that_fills_up_later_does_not_end_anything(study, request):
    disk = kit.full_disk(study.places.project.local, request)
    study.start("ready", "ready")
    kit.fill(disk)
    [worker] = study.starts("b")
    os.kill(worker, signal.SIGKILL)
    kit.wait_until(lambda: len(study.starts("b")) == 2, "the second life of b")
    assert stop(study.places).left == []


def test_ctrl_c_while_it_starts_ends_what_was_begun(study):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.keeper.conftest import Study\n"
        "from kubefuture.keeper.places import Places\n"
        "from kubefuture.project.folder import Project\n"
        "from pathlib import Path\n"
        "Study(Places.of(Project(Path(sys.argv[2])))).start('ready', 'hang')\n"
    )
    folder = str(study.places.project.folder)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(kit.ROOT), folder], stderr=subprocess.PIPE
    ) as process:
        kit.wait_until(lambda: study.starts("b"), "b to start")
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.stderr.read()
    assert study.living() == set()
    assert look(study.places).left == []
