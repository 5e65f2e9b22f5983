"""A real project for the acceptance: made by Copier, and used by its own make targets."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection
from kubefuture.protocol.messages import Status

from tests.faults import processes
from tests.faults.waiting import eventually
from tests.template import kit

WORK = Path(__file__).with_name("work.py")


class StudyProject:
    """A project with one worker.

    Args:
        folder: Where it is made.

    Attributes:
        folder: The project's.
        seen: Every process that was seen to be its own.
    """

    def __init__(self, folder: Path) -> None:
        repository = kit.copy_work_tree(folder / "repository")
        self.folder = kit.render(repository, folder / "study", workers=1)
        shutil.copy(WORK, self.folder / "analysis" / "acceptance.py")
        self.seen: set[int] = set()
        self._log = folder / "run.log"

    @property
    def connection(self) -> Path:
        """Its connection file."""
        return self.folder / ".kubefuture" / "connection.json"

    @property
    def status(self) -> Status:
        """What its scheduler says. What is seen to run is remembered, so that it can be looked for at the end."""
        status = fetch_status(Connection.load(self.connection))
        keeper = processes.living()[status.scheduler_pid].parent
        self.seen |= {keeper, *(process.pid for process in processes.descendants(keeper))}
        return status

    @property
    def supervisor(self) -> int:
        """The process of its only supervisor."""
        return eventually(lambda: self.status.workers, "a worker that is connected")[0].pid

    @property
    def alive(self) -> list[processes.Process]:
        """Those processes that were seen, and are not dead."""
        living = processes.living()
        return [living[pid] for pid in sorted(self.seen) if pid in living]

    def make(self, *arguments: str) -> str:
        """Runs one of its targets to the end and returns what it said."""
        return kit.make(self.folder, *arguments).stdout

    def run(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Starts its script as `make run` does."""
        said = shlex.join(map(str, arguments))
        command = ["make", "--no-print-directory", "run", "SCRIPT=analysis/acceptance.py", f"ARGS={said}"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=kit.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> str:
        """What the script said."""
        return self._log.read_text(errors="replace")
