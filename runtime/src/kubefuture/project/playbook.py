"""Runs a playbook: Ansible's settings, its output, and what it is told."""

from __future__ import annotations

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
from pathlib import Path

from .errors import ProjectError, explain
from .folder import Project
from .progress import STEP_FILE

SAVED = "KUBEFUTURE_SAVED"
"""Environment variable: the user's own that Ansible must not see, as JSON; what a playbook starts gets them back."""

_START = """
import sys
try:
    from ansible.cli.playbook import main
except KeyboardInterrupt:
    sys.exit(130)
main(["ansible-playbook", *sys.argv[1:]])
"""
"""Starts Ansible. Loading it takes a second, in which Ctrl-C would show where in Ansible that happened."""


def play(project: Project, name: str, variables: Mapping[str, object]) -> int:
    """Runs one of the project's playbooks in the foreground.

    Args:
        project: The project.
        name: The playbook, without its folder and ending.
        variables: What it is told.

    Returns:
        Ansible's exit code; 130 when it was interrupted.

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
            return _run(project, arguments, Path(folder))
    except OSError as error:
        raise ProjectError(explain(error)) from None


def _run(project: Project, arguments: list[str], folder: Path) -> int:
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
        "LC_ALL": _utf8_locale(),
        SAVED: json.dumps(saved),
    }
    process = subprocess.Popen([sys.executable, *arguments], cwd=project.folder, env=environment)
    # Ctrl-C reaches Ansible too, which ends its tasks; we wait for it, so as to leave nothing behind.
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGINT, earlier)
    return 130 if code in (99, 130, 250, -signal.SIGINT) else code


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
