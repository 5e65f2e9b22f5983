"""Brings what is new in the template into the project, and says what a person has to decide.

Copier merges three ways (the template then, the template now, the project) and reports success even
when it could not decide: the files with conflict marks are looked for here.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import ProjectError
from .folder import Project
from .progress import Step

_MARK = re.compile(rb"^(<<<<<<< |>>>>>>> )", re.MULTILINE)
_EXCEPTION = re.compile(r"^[\w.]+(Error|Exception): ")
_FIRST_COMMIT = 'git init && git add . && git commit -m "Start"'


@dataclass(frozen=True)
class Update:
    """What came of it.

    Attributes:
        changed: The files that are different now.
        conflicts: Those of them in which a person has to choose.
    """

    changed: tuple[str, ...]
    conflicts: tuple[str, ...]


def update(project: Project, reference: str) -> Update:
    """Updates the project.

    Args:
        project: The project.
        reference: A tag, branch or commit of the template, or an empty string for its newest version.

    Raises:
        ProjectError: It cannot be updated; nothing was changed.
    """
    if not (project.folder / ".copier-answers.yml").is_file():
        raise ProjectError(
            ".copier-answers.yml is missing, so the project's template is not known. "
            "Get it back with `git checkout -- .copier-answers.yml`."
        )
    if importlib.util.find_spec("copier") is None:
        raise ProjectError(
            "Copier is missing. Remove .kubefuture/tools and try again; it is one of the tools."
        )
    _refuse_without_repository(project)
    arguments = ["update", "--defaults", "--quiet", "--conflict", "inline"]
    if reference:
        arguments += ["--vcs-ref", reference]
    with Step("Merging what is new in the template") as step:
        done = _wait([sys.executable, "-I", "-m", "copier", *arguments, "."], project, step)
    if done.returncode:
        undone = "undo what was begun with git reset --hard && git clean -fd"
        state = undone if _changed(project) else "nothing was changed"
        raise ProjectError(
            f"The template could not be merged ({state}): {_reason(done.stderr)} "
            f"Its place is in .copier-answers.yml{_write_log(project, done.stderr)}."
        )
    changed = tuple(_changed(project))
    return Update(changed, tuple(name for name in changed if _has_marks(project, name)))


def _refuse_without_repository(project: Project) -> None:
    if shutil.which("git") is None:
        raise ProjectError("git is missing, which `make update` needs. Install it, and try again.")
    if _git(project, "rev-parse", "--is-inside-work-tree").returncode:
        raise ProjectError(
            f"`make update` needs the project in a git repository, so that nothing is lost: {_FIRST_COMMIT}"
        )
    if _git(project, "rev-parse", "--verify", "HEAD").returncode:
        raise ProjectError(
            f"The repository has no commit yet, so an update could not be undone: {_FIRST_COMMIT}"
        )
    changed = _changed(project)
    if changed:
        raise ProjectError(
            f"There are changes that are not committed: {_some(changed)}. "
            "Commit them first (git add . && git commit), so that an update can be undone."
        )


def _changed(project: Project) -> list[str]:
    """Files that git sees as changed or new, relative to the project."""
    prefix = _git(project, "rev-parse", "--show-prefix").stdout.decode(errors="surrogateescape").strip("\n")
    listed = _git(project, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    if listed.returncode:
        raise ProjectError(f"git cannot tell what has changed: {_reason(listed.stderr)}")
    names = [entry[3:].decode(errors="surrogateescape") for entry in listed.stdout.split(b"\0") if entry]
    return sorted(name.removeprefix(prefix) for name in names)


def _has_marks(project: Project, name: str) -> bool:
    path = project.folder / name
    if name.endswith(".rej"):
        return True
    try:
        return len(_MARK.findall(path.read_bytes())) >= 2
    except OSError:
        # Removed by the update.
        return False


def _wait(command: Sequence[str], project: Project, step: Step) -> subprocess.CompletedProcess[bytes]:
    process = subprocess.Popen(
        command, cwd=project.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        while True:
            try:
                out, err = process.communicate(timeout=0.25)
            except subprocess.TimeoutExpired:
                step.tick()
                continue
            return subprocess.CompletedProcess(list(command), process.returncode, out, err)


def _git(project: Project, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=project.folder, capture_output=True, check=False)


def _reason(said: bytes) -> str:
    """The line that says why: git's own if there is one, else the last, which ends a traceback."""
    lines = [line.strip("| ") for line in said.decode(errors="replace").splitlines() if line.strip("| ")]
    reasons = [line.partition("fatal: ")[2] for line in lines if "fatal: " in line] or lines[-1:]
    return _EXCEPTION.sub("", reasons[0]).rstrip(".") + "." if reasons else "it gave no reason."


def _write_log(project: Project, said: bytes) -> str:
    log = project.state / "logs" / "copier.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(said)
    except OSError:
        # The reason itself is on the screen.
        return ""
    return f", and all that was said in {log.relative_to(project.folder)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
