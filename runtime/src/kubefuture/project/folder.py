"""Where everything is in a project's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """One project.

    Attributes:
        folder: Its folder, absolute and without links.
    """

    folder: Path

    @classmethod
    def here(cls) -> Project:
        """The project in the current folder."""
        return cls(Path(os.path.realpath(Path.cwd())))

    @property
    def name(self) -> str:
        """The folder's name, which is what people call the project."""
        return self.folder.name or "project"

    @property
    def values_file(self) -> Path:
        """The one file that a user edits."""
        return self.folder / "values.yaml"

    @property
    def schema_file(self) -> Path:
        """What is allowed in values.yaml."""
        return self.folder / "values.schema.json"

    @property
    def lock_file(self) -> Path:
        """The exact packages of laptop, scheduler and workers."""
        return self.folder / "requirements.lock"

    @property
    def tools_lock(self) -> Path:
        """The exact packages of the tools."""
        return self.folder / "tools.lock"

    @property
    def venv(self) -> Path:
        """The environment for the user's code."""
        return self.folder / ".venv"

    @property
    def venv_python(self) -> Path:
        """Its Python."""
        return self.venv / "bin" / "python"

    @property
    def playbooks(self) -> Path:
        """Ansible's playbooks."""
        return self.folder / "playbooks"

    @property
    def runtime(self) -> Path:
        """The runtime's folder, with its pyproject.toml."""
        return self.folder / "runtime"

    @property
    def state(self) -> Path:
        """What the commands themselves write."""
        return self.folder / ".kubefuture"

    @property
    def connection_file(self) -> Path:
        """Where the cluster is, and the token that opens it."""
        return self.state / "connection.json"

    @property
    def records(self) -> Path:
        """One file for each provider that has something running."""
        return self.state / "deployed"

    @property
    def local(self) -> Path:
        """State of the programs on this machine."""
        return self.state / "local"

    @property
    def logs(self) -> Path:
        """Their logs, one file each."""
        return self.local / "logs"

    @property
    def slots_file(self) -> Path:
        """The wanted number of slots, as a decimal number."""
        return self.local / "slots"
