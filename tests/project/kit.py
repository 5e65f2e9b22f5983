"""Steps that the tests of the project's side share: a small project, its commands, limits for them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from kubefuture.project.folder import Project

from tests import needs

ROOT = Path(__file__).resolve().parents[2]

VALUES = """\
provider: local
workers:
  count: 2
  memory: 1Gi
packages:
  pip: []
"""


def make_project(folder: Path, values: str = VALUES) -> Project:
    """A folder with what the commands need of a project; runtime and playbooks are the repository's own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "values.yaml").write_text(values, encoding="utf-8")
    (folder / "values.schema.json").write_bytes((ROOT / "template" / "values.schema.json").read_bytes())
    for shared in ("runtime", "playbooks", "chart", "docker"):
        (folder / shared).symlink_to(ROOT / shared)
    (folder / "tools.lock").symlink_to(ROOT / "template" / "tools.lock")
    return Project(Path(os.path.realpath(folder)))


def clean_environment(**changes: str) -> dict[str, str]:
    """A user's environment, without what the tests' own make and Python would hand on."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KUBEFUTURE_", "ANSIBLE_", "PYTEST_", "MAKE", "MFLAGS"))
        and name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    return kept | changes


def kubefuture(
    project: Project | Path,
    *arguments: str,
    status: int | None = 0,
    prefix: tuple[str, ...] = (),
    **changes: str,
) -> subprocess.CompletedProcess[str]:
    """Runs one of the commands in a project's folder, as its Makefile does, and checks the exit status.

    Args:
        project: The project, or a folder.
        *arguments: The command.
        status: The expected exit status; None accepts any.
        prefix: A command that runs it, such as `setpriv ...`.
        **changes: Environment variables.
    """
    folder = project.folder if isinstance(project, Project) else project
    command = [*prefix, sys.executable, "-I", "-m", "kubefuture", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=900,
    )
    if status is not None and done.returncode != status:
        told = f"exit {done.returncode} instead of {status}: {' '.join(arguments)} in {folder}"
        raise AssertionError(f"{told}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
    return done


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed; it is one line, and no traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0].removeprefix("error: ")


def without_privileges() -> tuple[str, ...]:
    """A prefix under which permissions count, also for root."""
    if os.geteuid() != 0:
        return ()
    setpriv = needs.command("setpriv", "gives up root's right to write everywhere")
    dropped = "-dac_override,-dac_read_search"
    return (setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}")


@contextmanager
def unwritable(folder: Path) -> Iterator[tuple[str, ...]]:
    """Nothing can be written in a folder for a while, by commands with this prefix."""
    prefix = without_privileges()
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(mode & ~0o222)
    try:
        yield prefix
    finally:
        folder.chmod(mode)


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Sends processes a signal; one that ended with the one before is fine."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def full_disk(folder: Path, request: pytest.FixtureRequest, size: str = "1m") -> Path:
    """Mounts a small disk and fills it but for a few KiB; it is unmounted after the test."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = needs.command("mount", "a small disk to fill")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        needs.missing("the right to mount a small disk")
    request.addfinalizer(lambda: subprocess.run(["umount", "-l", str(folder)], check=True))
    return folder


def fill(folder: Path) -> None:
    """Fills the disk that a folder is on, to the last byte."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        for piece in (1 << 16, 1 << 10, 1):
            try:
                while file.write(b"\0" * piece):
                    pass
            except OSError:
                continue


def wait_until(condition: Callable[[], object], what: str, seconds: float = 240.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def with_environment(project: Project, installed: Project) -> Project:
    """Gives a project the lock and, as a link, the environment of another one."""
    project.lock_file.write_bytes(installed.lock_file.read_bytes())
    project.venv.symlink_to(installed.venv)
    return project
