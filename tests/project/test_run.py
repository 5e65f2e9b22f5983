"""`run` and `shell`: what is wrong is said before anything starts; then the script has the terminal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from kubefuture.core.connection import Connection
from kubefuture.project.folder import Project

from tests.faults.waiting import LIMIT
from tests.project import kit


@pytest.fixture
def listening(ready_project, tmp_path_factory):
    """A project whose connection file names a socket on which something listens."""
    folder = tmp_path_factory.mktemp("s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        connect(ready_project, folder / "s")
        yield ready_project


def connect(project: Project, path) -> None:
    project.state.mkdir(exist_ok=True)
    Connection("study", "local", f"unix:{path}", "0" * 64).save(project.connection_file)


def script(project: Project, text: str, name: str = "analysis/job.py") -> str:
    path = project.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return name


def test_a_script_that_does_not_exist_is_named_with_a_near_one(listening):
    script(listening, "", "analysis/means.py")
    sentence = kit.one_sentence(kit.kubefuture(listening, "run", "analysis/mean.py", status=1))
    assert "There is no script analysis/mean.py" in sentence
    assert "Did you mean analysis/means.py?" in sentence
    assert "Did you mean analysis/means.py?" in kit.kubefuture(listening, "run", "means.py", status=1).stderr


def test_a_folder_is_no_script(listening):
    script(listening, "")
    assert "analysis is a folder" in kit.one_sentence(kit.kubefuture(listening, "run", "analysis", status=1))


def test_no_script_at_all_says_how(listening):
    assert "make run SCRIPT=" in kit.one_sentence(kit.kubefuture(listening, "run", "", status=1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nprint('a'\n", ["analysis/job.py, line 2", "was never closed"]),
        ("def f():\nreturn 1\n", ["analysis/job.py, line 2", "expected an indented block"]),
        ("a\0b\n", ["analysis/job.py"]),
    ],
)
def test_a_syntax_error_is_named_and_nothing_was_started(listening, text, words):
    sentence = kit.one_sentence(kit.kubefuture(listening, "run", script(listening, text), status=1))
    for word in [*words, "Nothing was started"]:
        assert word in sentence


def test_before_up_it_says_so(ready_project):
    sentence = kit.one_sentence(kit.kubefuture(ready_project, "run", script(ready_project, ""), status=1))
    assert "Nothing is up" in sentence
    assert "make up" in sentence


def test_workers_that_are_gone_are_noticed(ready_project, tmp_path):
    connect(ready_project, tmp_path / "nobody")
    sentence = kit.one_sentence(kit.kubefuture(ready_project, "run", script(ready_project, ""), status=1))
    assert "do not answer any more" in sentence
    assert "make up" in sentence


def test_a_connection_file_that_others_can_read_is_refused(listening):
    listening.connection_file.chmod(0o644)
    sentence = kit.one_sentence(kit.kubefuture(listening, "run", script(listening, ""), status=1))
    assert "can be read by others" in sentence


def test_without_an_environment_it_says_make_up(project, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        connect(project, tmp_path / "s")
        sentence = kit.one_sentence(kit.kubefuture(project, "run", script(project, ""), status=1))
    assert "make up" in sentence


def test_the_script_runs_as_python_would_run_it_with_the_projects_modules(listening):
    script(listening, "NAME = 'beside'", "analysis/beside.py")
    script(listening, "NAME = 'root'", "root_module.py")
    name = script(
        listening,
        "import sys, os, json, beside, root_module\n"
        "print(json.dumps([sys.argv, beside.NAME, root_module.NAME, __name__, os.getcwd(), sys.prefix,\n"
        "    os.environ['KUBEFUTURE_CONNECTION'], sys.path[0]]))\n"
        "sys.exit(7)\n",
    )
    done = kit.kubefuture(listening, "run", name, "--elements", "4", "-h", status=7)
    folder = str(listening.folder)
    assert json.loads(done.stdout) == [
        [name, "--elements", "4", "-h"],
        "beside",
        "root",
        "__main__",
        folder,
        str(listening.venv),
        str(listening.connection_file),
        f"{folder}/analysis",
    ]


def interrupt(project: Project, text: str) -> tuple[int, str, str]:
    """Runs a script until it has said a line, presses Ctrl-C, and returns exit code, output and complaints."""
    command = [sys.executable, "-I", "-m", "kubefuture", "run", script(project, text)]
    with subprocess.Popen(
        command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=LIMIT)
    return process.returncode, said, complaint


def test_ctrl_c_ends_a_script_with_one_line_and_without_a_traceback(listening):
    code, _, complaint = interrupt(listening, "import time\nprint('runs', flush=True)\ntime.sleep(60)\n")
    assert (code, complaint) == (130, "kubefuture: interrupted; the workers are free again.\n")


def test_ctrl_c_goes_to_the_script_itself_which_may_clear_up_or_go_on(listening):
    code, said, complaint = interrupt(
        listening,
        "import atexit, time\natexit.register(print, 'goodbye')\n"
        "try:\n    print('runs', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('goes on')\n",
    )
    assert (code, said, complaint) == (0, "goes on\ngoodbye\n", "")


@pytest.mark.parametrize(
    "ending",
    [
        "def f():\n    raise ValueError('of mine') from KeyError('é')\nf()\n",
        "raise BaseExceptionGroup('of mine', [ValueError(), KeyboardInterrupt()])\n",
        "import sys\nsys.excepthook = lambda *error: print(error[0], error[2].tb_frame.f_code.co_name)\n1 / 0\n",
        "import sys\nsys.exit('a word to say')\n",
        "import warnings\nwarnings.warn('careful')\n",
    ],
)
def test_a_script_ends_as_python_would_end_it(listening, ending):
    name = script(listening, ending)
    plain = subprocess.run(
        [listening.venv_python, name], cwd=listening.folder, capture_output=True, text=True
    )
    done = kit.kubefuture(listening, "run", name, status=plain.returncode)
    assert (done.stdout, done.stderr) == (plain.stdout, plain.stderr)


def test_what_a_script_defines_is_found_in_main_and_nothing_else_is_there(listening):
    name = script(
        listening,
        "import __main__, pickle, sys\n"
        "class Thing: pass\n"
        "print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, __main__.__file__ == __file__)\n"
        "print([name for name in dir() if not name.startswith('__')], __spec__, __package__)\n",
    )
    shown = kit.kubefuture(listening, "run", name).stdout
    assert shown == "True True\n['Thing', 'pickle', 'sys'] None None\n"


def test_a_file_called_like_a_module_of_ours_does_not_take_its_place(listening):
    for name in ("yaml.py", "json.py", "socket.py", "kubefuture.py"):
        script(listening, "raise SystemExit('the wrong module')", name)
    kit.kubefuture(listening, "values")
    kit.kubefuture(listening, "doctor")


def test_the_shell_knows_the_project(listening):
    done = subprocess.run(
        [sys.executable, "-I", "-m", "kubefuture", "shell"],
        cwd=listening.folder,
        env=kit.clean_environment(),
        input="import os; print('at', os.getcwd(), os.environ['KUBEFUTURE_CONNECTION'])\n",
        capture_output=True,
        text=True,
    )
    assert "its calls go to the workers" in done.stdout
    assert f"at {listening.folder} {listening.connection_file}" in done.stdout
    os.unlink(listening.connection_file)
    done = kit.kubefuture(listening, "shell")
    assert "nothing is up" in done.stdout
