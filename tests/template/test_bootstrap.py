"""The first command on a machine finds a Python and sets up the tools, or says in a sentence what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.template import kit

BOOTSTRAP = kit.ROOT / "runtime" / "bootstrap.sh"
PLAIN_COMMANDS = ["sh", "dirname", "cmp", "cat", "awk", "ls", "rm", "git"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder for PATH with the commands of a bare machine, and no Python yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*PLAIN_COMMANDS, "make"):
        (folder / name).symlink_to(needs.command(name, "a bare machine has it"))
    return folder


def add_python(machine: Path, name: str, version: str, status: int) -> None:
    """Puts a Python on the bare machine, that answers the question whether it will do."""
    path = machine / name
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)


def bootstrap(machine: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs it on the bare machine."""
    lock = kit.ROOT / "template" / "tools.lock"
    environment = kit.environment(PATH=str(machine)) | {"PYTHON": ""} | variables
    return kit.run("sh", BOOTSTRAP, lock, "tools", cwd=folder, status=None, env=environment)


def test_a_python_that_is_too_old_is_named(machine, tmp_path):
    add_python(machine, "python3", "3.8.18", 3)
    add_python(machine, "python", "2.7.18", 3)
    done = bootstrap(machine, tmp_path)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and here python3 is 3.8.18, python is 2.7.18." in done.stderr
    assert "PYTHON=/path/to/python" in done.stderr
    assert not (tmp_path / "tools").exists()


def test_a_python_without_ensurepip_is_named_with_the_package_that_brings_it(machine, tmp_path):
    add_python(machine, "python3", "3.12.3", 4)
    done = bootstrap(machine, tmp_path)
    assert done.returncode == 1
    assert "python3 3.12.3 cannot make virtual environments (its ensurepip is missing)" in done.stderr
    assert "apt install python3-venv   (or python3.12-venv)" in done.stderr


def test_the_question_tells_pythons_without_ensurepip_apart(tmp_path):
    # A real Python, from which ensurepip is hidden as on Debian without python3-venv.
    (tmp_path / "ensurepip.py").write_text("raise ImportError\n")
    question = BOOTSTRAP.read_text().split("probe='")[1].split("'\n")[0]
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{question}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (4, ".".join(map(str, sys.version_info[:3])))
    done = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
    assert done.returncode == 0


def test_no_python_at_all_is_said(machine, tmp_path):
    done = bootstrap(machine, tmp_path)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and none was found." in done.stderr


def test_a_named_python_that_does_not_run_is_said(machine, tmp_path):
    done = bootstrap(machine, tmp_path, PYTHON="/nowhere/my python")
    assert done.returncode == 1
    assert "PYTHON=/nowhere/my python is not a Python that can be run." in done.stderr


def test_the_first_python_that_will_do_is_taken(machine, tmp_path):
    add_python(machine, "python3", "3.9.2", 3)
    newer = machine / "python3.13"
    newer.write_text('#!/bin/sh\n[ "$1" = -E ] && echo 3.13.0 && exit 0\necho "taken: $*"\n')
    newer.chmod(0o755)
    done = bootstrap(machine, tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("taken: -I ")


def test_every_target_of_a_project_says_so_too(rendered, machine, tmp_path):
    add_python(machine, "python3", "3.8.18", 3)
    folder = shutil.copytree(rendered, tmp_path / "study")
    for target in ("doctor", "up", "run", "status", "scale", "down", "lock", "test", "lint"):
        done = kit.make(folder, target, "PYTHON=", status=2, env=kit.environment(PATH=str(machine)))
        assert "here python3 is 3.8.18" in done.stderr, target
    assert "Everyday" in kit.make(folder, env=kit.environment(PATH=str(machine))).stdout


def test_a_folder_that_cannot_be_written_is_said(rendered, tmp_path):
    folder = shutil.copytree(rendered, tmp_path / "study")
    folder.chmod(0o555)
    lowered: list[str] = []
    if os.getuid() == 0:
        # Root may write everywhere, unless it gives up its capabilities.
        setpriv = needs.command("setpriv", "to be somebody who may not write everywhere")
        lowered = [setpriv, "--bounding-set=-all", "--inh-caps=-all"]
    try:
        done = kit.run(*lowered, "make", "up", cwd=folder, status=2)
    finally:
        folder.chmod(0o755)
    assert "error: no permission to write .kubefuture" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / ".kubefuture").exists()


@pytest.mark.parametrize("size", ["100k", "6m", "40m"])
def test_a_full_disk_is_said_wherever_it_becomes_full(rendered, tmp_path, size):
    folder = shutil.copytree(rendered, tmp_path / "study")
    state = folder / ".kubefuture"
    state.mkdir()
    mount = needs.command("mount", "for a disk that is small enough to be full")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "x", state], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk, and not everywhere")
    try:
        done = kit.make(folder, "up", status=2)
    finally:
        subprocess.run(["umount", state], check=True)
    assert "error: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_system_refuses_becomes_a_sentence():
    module = load_bootstrap()
    assert "the disk is full" in module.explain(OSError(errno.ENOSPC, "No space left on device", "/x"))
    assert "no permission to write /x" in module.explain(OSError(errno.EROFS, "Read-only file system", "/x"))
    assert module.explain(OSError(errno.EIO, "Input/output error", "/x")) == "Input/output error: /x"


def test_an_environment_that_is_current_costs_nothing(project):
    record = project / ".kubefuture" / "tools" / "installed.lock"
    before = record.stat()
    done = kit.make(project, "tools", "PYTHON=")
    assert done.stdout == done.stderr == ""
    assert record.stat().st_mtime_ns == before.st_mtime_ns


def test_the_tools_find_the_runtime_wherever_the_project_lies(project, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(project, moved, symlinks=True)
    code = "from kubefuture import errors; print(errors.__file__)"
    said = kit.run(".kubefuture/tools/bin/python", "-I", "-c", code, cwd=moved).stdout.strip()
    assert Path(said) == moved / "runtime" / "src" / "kubefuture" / "errors.py"


def test_a_broken_or_outdated_environment_is_mended(project, tmp_path):
    moved = shutil.copytree(project, tmp_path / "study", symlinks=True)
    tools = moved / ".kubefuture" / "tools"

    # The lock changed, as after an update.
    with open(moved / "tools.lock", "a") as lock:
        lock.write("# one more line\n")
    assert "Setting up .kubefuture/tools" in kit.make(moved, "tools").stdout
    assert (tools / "installed.lock").read_bytes() == (moved / "tools.lock").read_bytes()

    # It was interrupted before it was whole: a package is missing, half of uv, and the record.
    (tools / "installed.lock").unlink()
    (tools / "bin" / "uv").write_bytes(b"half of it")
    (tools / "bin" / "uv").chmod(0o644)
    shutil.rmtree(next(tools.glob("lib/python*/site-packages/copier")))
    shutil.rmtree(next(tools.glob("lib/python*/site-packages/copier-*")))
    kit.make(moved, "tools")
    kit.run(tools / "bin" / "python", "-I", "-c", "import copier", cwd=moved)

    # Its Python was uninstalled.
    (tools / "bin" / "python").unlink()
    (tools / "bin" / "python").symlink_to("/nowhere/python3")
    kit.make(moved, "tools")
    kit.run(tools / "bin" / "python", "-I", "-m", "copier", "--version", cwd=moved)


def test_two_at_once_set_up_only_once(rendered, tmp_path):
    folder = shutil.copytree(rendered, tmp_path / "study")
    command = ["make", "--no-print-directory", "tools"]
    both = [
        subprocess.Popen(command, cwd=folder, env=kit.environment(), stdout=subprocess.PIPE, text=True)
        for _ in "12"
    ]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(text.count("Setting up") for text in said) == [0, 1]


def test_a_package_with_another_content_than_the_lock_says_is_refused(rendered, tmp_path):
    folder = shutil.copytree(rendered, tmp_path / "study")
    lock = folder / "tools.lock"
    blocks = re.split(r"\n(?=\S)", lock.read_text())
    for index, block in enumerate(blocks):
        if block.startswith("uv=="):
            blocks[index] = re.sub("sha256:[0-9a-f]{64}", "sha256:" + 64 * "0", block)
    lock.write_text("\n".join(blocks))
    done = kit.make(folder, "tools", status=2)
    assert "the tools could not be installed" in done.stderr
    assert "HASH" in done.stderr.upper()
    assert not (folder / ".kubefuture" / "tools" / "installed.lock").exists()


def load_bootstrap():
    """bootstrap.py as a module; it lies outside of the package, because it is run before there is one."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("bootstrap", BOOTSTRAP.with_suffix(".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
