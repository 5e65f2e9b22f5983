"""The action `kubefuture`: one of the project's own commands, run where Ansible runs.

    - name: Make the Python environment
      kubefuture:
        arguments: [environment]

It starts the command directly. A module would be copied into a temporary folder and started through a
shell first: four tenths of a second each time, and one more place where a space in a path can hurt.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs `python -m kubefuture ARGUMENTS`; its error becomes the task's message."""

    _requires_connection = False
    _VALID_ARGS = frozenset(("arguments", "python"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the command.

        Args:
            tmp: Not used any more by Ansible.
            task_vars: The variables. A task's `python` is the name of the one that holds the Python, so that a path
                with braces in it is never taken for a template.
        """
        python = (task_vars or {})[self._task.args.get("python", "tools_python")]
        arguments = [str(argument) for argument in self._task.args["arguments"]]
        try:
            done = subprocess.run(
                [str(python), "-I", "-m", "kubefuture", *arguments],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            return {"failed": True, "msg": f"{python} cannot be run ({error.strerror})."}
        said = done.stdout.decode(errors="replace").strip()
        complaint = done.stderr.decode(errors="replace").strip()
        result = {"changed": bool(said), "rc": done.returncode, "stdout": said, "stderr": complaint}
        if done.returncode:
            words = complaint or f"{' '.join(arguments)} ended with exit code {done.returncode}"
            result |= {"failed": True, "msg": words.removeprefix("error: ")}
        return result


def _environment() -> dict[str, str]:
    """The user's own environment: Ansible was given a locale that it accepts, and settings of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    kept.pop("LC_ALL", None)
    return kept | json.loads(kept.pop("KUBEFUTURE_SAVED", "{}"))
