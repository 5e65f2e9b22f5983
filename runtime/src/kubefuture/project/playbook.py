"""Runs a playbook: Ansible's settings, its output, and what it is told."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import locale
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .changes import CHANGES, read, stop
from .errors import ProjectError, explain
from .folder import Project
from .progress import STEP_FILE

SAVED = "KUBEFUTURE_SAVED"
"""Environment variable: the user's own that Ansible must not see, as JSON; what a playbook starts gets them back."""

_START = 'import sys; from ansible.cli.playbook import main; main(["ansible-playbook", *sys.argv[1:]])'

_INTERRUPTED = 130
_FAILED_TASK = 2
"""Exit codes: the shell's of Ctrl-C, and Ansible's of a task that has failed."""

_PATIENCE = 2
"""How often Ctrl-C lets a step end as it likes."""

_ENDING_SECONDS = 30.0
"""How long a step may take to end what it had begun when we are ended ourselves."""


@dataclass(frozen=True)
class Played:
    """How a play went.

    Attributes:
        code: Ansible's exit code; 130 when it was interrupted.
        changes: What was changed, or in check mode would be, each in a word or two.
    """

    code: int
    changes: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        """Somebody pressed Ctrl-C."""
        return self.code == _INTERRUPTED

    @property
    def broken(self) -> str:
        """What is wrong with the playbooks themselves, or with Ansible; empty if a step has said what is wrong."""
        if self.code in (0, _FAILED_TASK, _INTERRUPTED):
            return ""
        if self.code < 0:
            return f"Ansible was ended by signal {-self.code}; is this machine out of memory?"
        return (
            f"Ansible could not go through the playbooks (its exit code is {self.code}, and its own words are above). "
            "They came with the project, in playbooks/: `git diff playbooks` shows what was changed in them."
        )


def play(project: Project, name: str, variables: Mapping[str, object], *, check: bool = False) -> Played:
    """Runs one of the project's playbooks in the foreground.

    Args:
        project: The project.
        name: The playbook, without its folder and ending.
        variables: What it is told.
        check: Only say what it would change.

    Returns:
        How it went.

    Raises:
        ProjectError: It cannot be run.
    """
    if importlib.util.find_spec("ansible") is None:
        raise ProjectError(
            "Ansible is missing. Remove .kubefuture/tools and try again; it is one of the tools."
        )
    book = project.playbooks / f"{name}.yml"
    if not book.is_file():
        raise ProjectError(
            f"{book} is missing. It came with the project: get it back with `git checkout -- playbooks`. "
            "If playbooks is a small text file, the project was made from a checkout without symbolic links: "
            "make it again."
        )
    try:
        with tempfile.TemporaryDirectory(prefix="kubefuture-") as folder:
            told = Path(folder, "variables.json")
            told.write_text(json.dumps(variables), encoding="utf-8")
            arguments = ["-I", "-c", _START, "-i", "localhost,", "-e", f"@{told}", str(book)]
            if check:
                arguments.append("--check")
            changes = Path(folder, "changes")
            code = _run(project, arguments, Path(folder), changes)
            return Played(code, read(changes))
    except OSError as error:
        raise ProjectError(explain(error)) from None


def _run(project: Project, arguments: list[str], folder: Path, changes: Path) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    # Ansible puts a variable's value where a path holds its name after a dollar sign, even in a folder's own name.
    hidden = {"LC_ALL"} | {
        name for name in environment if re.search(rf"\${{?{re.escape(name)}", str(project.folder))
    }
    saved = {name: environment.pop(name) for name in hidden if name in environment}
    environment |= {
        "ANSIBLE_CONFIG": str(project.playbooks / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        STEP_FILE: str(folder / "step"),
        CHANGES: str(changes),
        "LC_ALL": _utf8_locale(),
        SAVED: json.dumps(saved),
    }
    interrupts: list[int] = []

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        stop(changes, signal.SIGKILL if len(interrupts) > _PATIENCE else number)

    def on_end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    changes.touch()
    handlers = {signal.SIGINT: on_interrupt, signal.SIGTERM: on_end, signal.SIGHUP: on_end}
    # What is ignored, as with nohup, stays so.
    listened = [number for number in handlers if signal.getsignal(number) is not signal.SIG_IGN]
    earlier = {number: signal.signal(number, handlers[number]) for number in listened}
    try:
        # In a session of its own: Ctrl-C would find Ansible anywhere, where it may tell its whole inside or hang. It
        # reaches the step instead, which ends what it had begun; then Ansible has a task that failed, and ends.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait()
        except BaseException:
            stop(changes, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_SECONDS)
            process.terminate()
            process.wait()
            raise
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    return _INTERRUPTED if interrupts and code else code


def _utf8_locale() -> str:
    """A locale that Ansible accepts: it insists on UTF-8, and not every machine has the same ones."""
    mine = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    wanted = [mine] if "utf" in mine.lower() else []
    for name in [*wanted, "C.UTF-8", "C.utf8", "en_US.UTF-8"]:
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        locale.setlocale(locale.LC_ALL, "C")
        return name
    raise ProjectError("This machine has no UTF-8 locale, which Ansible needs. Install one, such as C.UTF-8.")
