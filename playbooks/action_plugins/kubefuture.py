"""The action `kubefuture`: one of the project's own commands, run where Ansible runs.

    - name: Make the Python environment
      kubefuture:
        arguments: [environment]

It starts the command directly. A module would be copied into a temporary folder and started through a
shell first: four tenths of a second each time, and one more place where a space in a path can hurt.

The command says itself whether it changed something: it writes a line for each change to the file that the
environment variable KUBEFUTURE_CHANGES names. In check mode it is given `--check`, and writes what it would change;
a command that does not know the option fails, and does nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase

_CHANGES = "KUBEFUTURE_CHANGES"


class ActionModule(ActionBase):
    """Runs `python -m kubefuture ARGUMENTS`; its error becomes the task's message."""

    _requires_connection = False
    _VALID_ARGS = frozenset(("arguments", "python"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the command.

        Args:
            tmp: Not used any more by Ansible.
            task_vars: The variables. A task's `python` is the name of the one that holds the Python, so that a path
                with braces in it is never taken for a template. In check mode it is always the tools' own: the
                project's environment may not be there yet.
        """
        check = self._task.check_mode
        python = (task_vars or {})["tools_python" if check else self._task.args.get("python", "tools_python")]
        arguments = [str(argument) for argument in self._task.args["arguments"]]
        if check:
            arguments.append("--check")
        with tempfile.TemporaryDirectory(prefix="kubefuture-") as own:
            changes = os.environ.get(_CHANGES, os.path.join(own, "changes"))
            before = _size(changes)
            try:
                code, out, err = _call([str(python), "-I", "-m", "kubefuture", *arguments], changes)
            except OSError as error:
                return {"failed": True, "msg": f"{python} cannot be run ({error.strerror})."}
            if os.path.exists(f"{changes}.stop"):
                return {"failed": True, "msg": "", "interrupted": True}
            changed = _size(changes) > before
        said = out.decode(errors="replace").strip()
        complaint = err.decode(errors="replace").strip()
        result = {"changed": changed, "rc": code, "stdout": said, "stderr": complaint}
        if code:
            words = complaint or f"{' '.join(arguments)} ended with exit code {code}"
            result |= {"failed": True, "msg": words.removeprefix("error: ")}
        return result


def _call(command: list[str], changes: str) -> tuple[int, bytes, bytes]:
    """Runs a command in a process group of its own, so that Ctrl-C can be handed to it and to what it starts.

    Beside the file of changes stands its process id; where there is a file that says stop, nothing begins any more.
    """
    if os.path.exists(f"{changes}.stop"):
        return 1, b"", b""
    process = subprocess.Popen(
        command,
        env=_environment() | {_CHANGES: changes},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    with open(f"{changes}.pid", "w", encoding="ascii") as file:
        file.write(str(process.pid))
    if os.path.exists(f"{changes}.stop"):
        process.terminate()  # who said stop may have looked for it before it was written down
    out, err = process.communicate()
    os.unlink(f"{changes}.pid")
    return process.returncode, out, err


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _environment() -> dict[str, str]:
    """The user's own environment: Ansible was given a locale that it accepts, and settings of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    kept.pop("LC_ALL", None)
    return kept | json.loads(kept.pop("KUBEFUTURE_SAVED", "{}"))
