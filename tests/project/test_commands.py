"""The smaller commands: help, doctor, logs, scale, records, and one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from kubefuture.cli.logs import _File
from kubefuture.core.runtime_dir import socket_folder
from kubefuture.project import deployed, record
from kubefuture.project.errors import ProjectError
from kubefuture.project.mutex import project_lock
from kubefuture.project.words import duration, table

from tests.project import kit


def test_help_lists_every_command_and_every_command_has_help(project):
    shown = kit.kubefuture(project, "--help").stdout
    for name in ("doctor", "up", "run", "status", "scale", "down", "lock", "logs", "update", "values"):
        assert f"  {name} " in shown
        assert "usage: python -m kubefuture " + name in kit.kubefuture(project, name, "--help").stdout


def test_a_command_that_does_not_exist_is_wrong_usage(project):
    done = kit.kubefuture(project, "upp", status=2)
    assert "upp" in done.stderr
    assert "Traceback" not in done.stderr
    kit.kubefuture(project, status=2)


def test_doctor_lists_what_it_looked_at(ready_project):
    done = kit.kubefuture(ready_project, "doctor")
    assert "values.yaml is right: 2 workers on local" in done.stdout
    assert "has the packages of requirements.lock" in done.stdout
    assert "Nothing is in the way. Next: make up" in done.stdout
    assert not socket_folder(ready_project.folder).exists()


def test_doctor_marks_what_is_in_the_way_and_fails(project):
    project.values_file.write_text("workers:\n  count: 0\n")
    done = kit.kubefuture(project, "doctor", status=1)
    assert "STOP  values.yaml, line 2: workers.count is `0`" in done.stdout
    assert "One thing is in the way" in kit.one_sentence(done)


def test_doctor_notes_more_workers_than_cores(project):
    project.values_file.write_text("workers:\n  count: 9999\n  memory: 9Ti\nlimits:\n  max_workers: 9999\n")
    done = kit.kubefuture(project, "doctor")
    assert "note  workers.count is 9999 on" in done.stdout
    assert "together may use" in done.stdout
    assert "All is well" not in done.stdout
    assert done.stdout.endswith("Nothing is in the way. Next: make up\n")


def test_doctor_counts_one_worker_as_people_do(project):
    project.values_file.write_text("workers:\n  count: 1\n")
    assert "values.yaml is right: 1 worker on local." in kit.kubefuture(project, "doctor").stdout


def test_doctor_says_when_the_project_cannot_be_written(project):
    kit.kubefuture(project, "values")
    with kit.unwritable(project.state) as prefix:
        done = kit.kubefuture(project, "doctor", status=1, prefix=prefix)
    assert "STOP  No permission" in done.stdout


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("", "make scale N=3"),
        ("x", "N is x"),
        ("0", "N is 0"),
        ("-2", "N is -2"),
        ("101", "limits.max_workers"),
    ],
)
def test_scale_says_what_a_count_may_be(ready_project, number, words):
    done = kit.kubefuture(ready_project, "scale", "--", number, status=1)
    assert words in kit.one_sentence(done)


def test_scale_and_logs_before_up_say_so(ready_project):
    assert "make up" in kit.one_sentence(kit.kubefuture(ready_project, "scale", "3", status=1))
    assert "make up" in kit.one_sentence(kit.kubefuture(ready_project, "logs", status=1))


def test_status_before_up_is_no_error_even_without_an_environment(ready_project):
    assert "nothing is up" in kit.kubefuture(ready_project, "status").stdout
    ready_project.venv.unlink()
    assert "nothing is up" in kit.kubefuture(ready_project, "status").stdout


def test_logs_are_merged_by_time_and_lines_without_one_stay_together(project):
    project.logs.mkdir(parents=True)
    (project.logs / "keeper.log").write_text(
        "2025-01-01T00:00:01.000Z keeps\n2025-01-01T00:00:04.000Z worker is gone\n"
    )
    (project.logs / "worker.log").write_text(
        "2025-01-01T00:00:02.000Z begins\nTraceback:\n  the end\n2025-01-01T00:00:05.000Z begins again\n"
    )
    assert kit.kubefuture(project, "logs").stdout.splitlines() == [
        "keeper    | 2025-01-01T00:00:01.000Z keeps",
        "worker    | 2025-01-01T00:00:02.000Z begins",
        "worker    | Traceback:",
        "worker    |   the end",
        "keeper    | 2025-01-01T00:00:04.000Z worker is gone",
        "worker    | 2025-01-01T00:00:05.000Z begins again",
    ]
    assert len(kit.kubefuture(project, "logs", "-n", "2").stdout.splitlines()) == 2
    assert kit.kubefuture(project, "logs", "keeper").stdout.count("worker    |") == 0


def test_logs_do_not_begin_with_the_lines_that_have_no_time(project):
    project.logs.mkdir(parents=True)
    (project.logs / "keeper.log").write_text("2025-01-01T00:00:01.000Z keeps\n")
    (project.logs / "worker.log").write_text("a warning\n2025-01-01T00:00:02.000Z is started\nhello\n")
    assert kit.kubefuture(project, "logs").stdout.splitlines() == [
        "keeper    | 2025-01-01T00:00:01.000Z keeps",
        "worker    | a warning",
        "worker    | 2025-01-01T00:00:02.000Z is started",
        "worker    | hello",
    ]


def test_logs_follow_what_is_written_and_files_that_begin_anew(tmp_path):
    path = tmp_path / "worker.log"
    log = _File("worker", path)
    assert log.read() == []
    path.write_text("one\ntw")
    assert [line for _, line in log.read()] == ["worker    | one"]
    with open(path, "a") as file:
        file.write("o\n")
    assert [line for _, line in log.read()] == ["worker    | two"]
    path.rename(tmp_path / "worker.log.old")
    path.write_text("anew\n")
    assert [line for _, line in log.read()] == ["worker    | anew"]


def test_logs_are_followed_until_ctrl_c(project):
    project.logs.mkdir(parents=True)
    log = project.logs / "worker.log"
    log.write_text("past\n")
    command = [sys.executable, "-I", "-m", "kubefuture", "logs", "-f"]
    with subprocess.Popen(
        command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"worker    | past\n"
        with open(log, "a") as file:
            file.write("present\n")
        assert process.stdout.readline() == b"worker    | present\n"
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130


def test_two_commands_at_once_the_second_names_the_first(project):
    with project_lock(project, "make up"):
        done = kit.kubefuture(project, "down", status=4)
    assert f"`make up` (process {os.getpid()}) is working on this project" in kit.one_sentence(done)
    assert "Nothing was up" in kit.kubefuture(project, "down").stdout


def test_a_record_is_there_before_anything_starts_and_grows_with_every_start(project):
    first = record.begin(project, "local", Path("/run/one"))
    assert record.read_all(project) == [first]
    second = record.begin(project, "local", Path("/run/two"))
    assert second.sockets == ("/run/one", "/run/two")
    assert second.since == first.since
    deployed.remove(project, "local")
    assert record.read_all(project) == []


def test_another_provider_is_refused_while_one_is_up(project):
    record.begin(project, "local", Path("/run/one"))
    with pytest.raises(ProjectError, match="local is up already"):
        record.begin(project, "kind", Path("/run/one"))


def test_what_another_machine_started_cannot_be_told_from_here(project):
    mine = record.begin(project, "local", Path("/run/one"))
    record._write(project, replace(mine, machine="another", host="tower"))
    sentence = kit.one_sentence(kit.kubefuture(project, "down", status=4))
    assert "on another machine, tower" in sentence


@pytest.mark.parametrize("text", ["{", "provider: local\n", "- 1\n", "folders: 3\nsockets: 4\n", "\x07"])
def test_a_damaged_record_cannot_be_told(project, text):
    project.records.mkdir(parents=True)
    (project.records / "local.yaml").write_text(text)
    sentence = kit.one_sentence(kit.kubefuture(project, "down", status=4))
    assert "is damaged" in sentence and "what `ps` shows" in sentence


@pytest.mark.parametrize("provider", ["existing", "kind"])
@pytest.mark.parametrize("text", ["{", "provider: existing\n"])
def test_a_damaged_record_of_a_cluster_says_how_to_find_what_is_there(project, provider, text):
    project.records.mkdir(parents=True)
    (project.records / f"{provider}.yaml").write_text(text)
    sentence = kit.one_sentence(kit.kubefuture(project, "down", status=4))
    assert f"deployed/{provider}.yaml is damaged" in sentence
    assert sentence.endswith(f"by its label: make down PROJECT='{project.name}' PROVIDER={provider}")


@pytest.fixture
def taken(project, monkeypatch):
    """The folder for the project's sockets is one that others may write to."""
    base = Path("/tmp") / f"kf-{os.getpid()}"
    base.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    socket_folder(project.folder).mkdir()
    socket_folder(project.folder).chmod(0o777)
    yield
    socket_folder(project.folder).rmdir()
    base.rmdir()


def test_a_folder_for_sockets_that_cannot_be_is_in_the_way_of_workers_here_alone(project, taken):
    assert "not private" in kit.one_sentence(kit.kubefuture(project, "doctor", "--before-up", status=1))
    text = project.values_file.read_text()
    project.values_file.write_text(text.replace("provider: local", "provider: kind"))
    kit.kubefuture(project, "doctor", "--before-up")


def test_tables_are_aligned_and_spans_are_as_people_say_them():
    assert table([("a", "bbb"), ("cc", "d")]) == ["  a   bbb", "  cc  d"]
    assert [duration(seconds) for seconds in (3.9, 125, 3720, 90000)] == [
        "3 s",
        "2 min",
        "1 h 2 min",
        "1 d 1 h",
    ]


@pytest.mark.parametrize("locale", [{"LANG": ""}, {"LC_ALL": "C"}, {"LC_ALL": "xx_YY"}])
def test_paths_and_locales_of_any_kind_are_fine(project, locale):
    assert kit.kubefuture(project, "doctor", **locale).returncode == 0
