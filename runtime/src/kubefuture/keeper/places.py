"""The files of one project's keeper, and how they are cleared away."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.runtime_dir import socket_folder
from ..project.folder import Project
from .programs import IN_FLIGHT, PAGE
from .sockets import answers


@dataclass(frozen=True)
class Places:
    """Where a keeper's files are.

    Attributes:
        project: Its project.
        sockets: The folder of its sockets.
        recorded_folders: Where the project was when it was started, if that may be elsewhere.
        recorded_sockets: The folders of its sockets when it was started.
    """

    project: Project
    sockets: Path
    recorded_folders: tuple[str, ...] = ()
    recorded_sockets: tuple[str, ...] = ()

    @classmethod
    def of(cls, project: Project, folders: Sequence[str] = (), sockets: Sequence[str] = ()) -> Places:
        """The files of a project's keeper.

        Args:
            project: The project.
            folders: Where it was when it was started, if a record says so.
            sockets: The folders of its sockets, likewise.
        """
        return cls(project, socket_folder(project.folder), tuple(folders), tuple(sockets))

    @property
    def folders(self) -> list[str]:
        """All folders that its processes may belong to."""
        return list(dict.fromkeys([str(self.project.folder), *self.recorded_folders]))

    @property
    def socket_folders(self) -> list[Path]:
        """All folders that its sockets may be in."""
        return [Path(path) for path in dict.fromkeys([str(self.sockets), *self.recorded_sockets])]

    @property
    def life(self) -> Path:
        """Locked by the kernel for as long as the keeper lives; holds its process id."""
        return self.project.local / "keeper.lock"

    @property
    def state(self) -> Path:
        """What the keeper keeps, and how that is going."""
        return self.project.local / "keeper.json"

    @property
    def socket(self) -> Path:
        """The scheduler's socket."""
        return self.sockets / "scheduler.sock"

    @property
    def page(self) -> Path:
        """The socket of the scheduler's page for browsers."""
        return self.sockets / PAGE

    @property
    def in_flight(self) -> Path:
        """What the worker's slots run."""
        return self.project.folder / IN_FLIGHT

    @property
    def spare(self) -> Path:
        """A second connection file, from which a damaged one is written anew."""
        return self.project.local / "connection.json"

    @property
    def slots(self) -> int:
        """How many slots a keeper that runs keeps, -1 if that cannot be told."""
        try:
            return int(self.project.slots_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return -1

    def log(self, name: str) -> Path:
        """A program's log."""
        return self.project.logs / f"{name}.log"

    def transient(self) -> list[Path]:
        """The files that exist only while the keeper lives, apart from its lock."""
        slots = self.project.slots_file
        beside = [slots.with_name(f"{slots.name}.{what}") for what in ("workers", "leases")]
        return [self.project.connection_file, self.spare, self.state, slots, *beside]

    def clear(self) -> None:
        """Removes what exists only while the keeper lives, but for its lock, which the caller holds.

        Raises:
            OSError: Something cannot be removed.
        """
        for path in self.transient():
            path.unlink(missing_ok=True)
        shutil.rmtree(self.in_flight, ignore_errors=True)
        for folder in self.socket_folders:
            if folder.is_dir() and not folder.is_symlink():
                for path in folder.iterdir():
                    # Our own processes have ended, so one that is answered is a stranger's.
                    if path.is_socket() and not answers(path):
                        path.unlink(missing_ok=True)
                _remove_if_empty(folder)
                if folder.parent.name.startswith("kubefuture-"):
                    # Shared with the user's other projects.
                    _remove_if_empty(folder.parent)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass
