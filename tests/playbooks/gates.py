"""Gates at which a test holds `make up` for as long as it likes, so that what it does meanwhile never comes too late.

A gate is made before the command is started, and entered within it: it opens before the command's end is waited for.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from types import TracebackType

from kubefuture.project.folder import Project

from tests.faults.waiting import LIMIT
from tests.project import kit


def started(project: Project, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Starts a command in a group of its own, as a terminal does, which is to be held at a gate."""
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "kubefuture", *arguments],
        cwd=project.folder,
        env=kit.clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


class _Gate:
    """A gate."""

    def open(self) -> None:
        """Lets go on who is here, if anybody is."""
        raise NotImplementedError

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()


class Index(_Gate):
    """A package index that never answers: holds the step that makes the environment, and uv in it.

    Attributes:
        variables: Environment variables that lead there.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self._links: list[socket.socket] = []
        self.variables = {
            "UV_DEFAULT_INDEX": f"http://127.0.0.1:{self._listener.getsockname()[1]}/simple",
            "UV_HTTP_TIMEOUT": "1500",
            "NO_PROXY": "127.0.0.1",
        }

    def wait(self) -> None:
        """Waits until uv is here."""
        self._links.append(self._listener.accept()[0])

    def open(self) -> None:
        """Hangs up."""
        for one in (self._listener, *self._links):
            one.close()


class Ansible(_Gate):
    """Settings that nobody has written yet: holds Ansible before its first step.

    Args:
        project: The project, which gets a folder of playbooks of its own.
    """

    def __init__(self, project: Project) -> None:
        given = project.playbooks.resolve()
        project.playbooks.unlink()
        project.playbooks.mkdir()
        for path in given.iterdir():
            if path.name != "ansible.cfg":
                (project.playbooks / path.name).symlink_to(path)
        self._settings = (given / "ansible.cfg").read_bytes()
        self._pipe = project.playbooks / "ansible.cfg"
        self._handle = -1
        os.mkfifo(self._pipe)

    def wait(self) -> None:
        """Waits until Ansible is here."""
        kit.wait_until(self._has_reader, "Ansible reads its settings", LIMIT)

    def open(self) -> None:
        """Writes the settings."""
        if self._handle >= 0:
            os.write(self._handle, self._settings)
            os.close(self._handle)
            self._handle = -1

    def _has_reader(self) -> bool:
        try:
            self._handle = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True


def worker_that_is_never_ready(project: Project) -> None:
    """Holds the start of the workers, until it is given up after a minute: the worker's Python waits as it begins."""
    folder = project.folder / "never ready"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import signal\nwhile True:\n    signal.pause()\n")
    # JSON, since the folder's name is not simple.
    path = f"  env:\n    PYTHONPATH: {json.dumps(str(folder))}\n"
    project.values_file.write_text(kit.VALUES.replace("packages:\n", f"{path}packages:\n"))
