"""Steps that the tests of the template share: running commands as a user would, and rendering projects."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What the tests' own make and Python would otherwise hand on.
_OWN = (
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "VIRTUAL_ENV",
    "KUBEFUTURE_CONNECTION",
    "KUBEFUTURE_PLAN",
    "COLUMNS",
)


def environment(**changes: str) -> dict[str, str]:
    """A user's environment: no trace of the tests' own, this Python, and a name for git."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _OWN and not name.startswith(("GIT_", "PYTEST_", "PYTHON"))
    }
    author = {"NAME": "A Tester", "EMAIL": "tester@invalid"}
    for role in ("AUTHOR", "COMMITTER"):
        kept |= {f"GIT_{role}_{key}": value for key, value in author.items()}
    kept |= {"GIT_CONFIG_GLOBAL": os.devnull, "PYTHON": base_python()}
    return kept | changes


def base_python() -> str:
    """The Python that this environment was made from."""
    return getattr(sys, "_base_executable", sys.executable)


def run(
    *arguments: str | Path, cwd: Path, status: int | None = 0, **options
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end and checks its exit status; how long it may take is for the test to say.

    Args:
        *arguments: The command.
        cwd: Where.
        status: The expected exit status; None accepts any.
        **options: For subprocess.run; `env` is a user's environment unless given.
    """
    options = {"env": environment(), "stdin": subprocess.DEVNULL} | options
    done = subprocess.run(list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, **options)
    if status is not None and done.returncode != status:
        told = f"exit {done.returncode} instead of {status}: {' '.join(map(str, arguments))} in {cwd}"
        raise AssertionError(f"{told}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
    return done


def make(
    folder: Path, *arguments: str, status: int | None = 0, **options
) -> subprocess.CompletedProcess[str]:
    """Runs make in a folder."""
    return run("make", "--no-print-directory", *arguments, cwd=folder, status=status, **options)


def git(folder: Path, *arguments: str) -> str:
    """Runs git in a folder.

    Returns:
        What it printed.
    """
    return run("git", *arguments, cwd=folder).stdout


def commit(folder: Path, message: str) -> str:
    """Makes the folder a git repository if it is none, and commits everything.

    Returns:
        The commit.
    """
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()


def copy_work_tree(target: Path) -> Path:
    """Copies what git tracks or would track here, edits and all, as a fresh repository of one commit."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_symlink() or source.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    commit(target, "The work tree")
    return target


def copier(
    *arguments: str | Path, cwd: Path, status: int | None = 0, **options
) -> subprocess.CompletedProcess[str]:
    """Runs Copier without its warnings."""
    return run(sys.executable, "-W", "ignore", "-m", "copier", *arguments, cwd=cwd, status=status, **options)


def render(source: Path | str, target: Path, *, status: int | None = 0, **answers: object) -> Path:
    """Renders a project without questions; what is not answered gets its default.

    Returns:
        The project's folder.
    """
    data = [argument for name, value in answers.items() for argument in ("--data", f"{name}={value}")]
    target.parent.mkdir(parents=True, exist_ok=True)
    copier("copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", *data, source, target, cwd=target.parent)
    return target
