"""Where the acceptance happens: what it needs of a project, wherever its workers are."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection
from kubefuture.errors import NoAnswerError
from kubefuture.protocol.messages import Status

from tests.faults import waiting
from tests.faults.checkpoint import Visit
from tests.template import kit

WORK = Path(__file__).with_name("work.py")

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str) -> T:
    """Waits for a condition, as for any other; a scheduler that does not answer just now may do so later.

    Args:
        condition: Asked again and again; it holds when it returns something true.
        what: For the failure: `what` did not happen.

    Returns:
        What the condition returned.
    """

    def answered() -> T | None:
        try:
            return condition()
        except NoAnswerError:
            return None

    found = waiting.eventually(answered, what)
    assert found is not None
    return found


class Place(ABC):
    """A real project, made by Copier and used by its own make targets.

    Args:
        folder: Where it is made.
        port: The checkpoint's, on this machine.

    Attributes:
        folder: The project's.
        checkpoint: Where elements find the checkpoint, `HOST:PORT`.
    """

    checkpoint: str

    def __init__(self, folder: Path, port: int) -> None:
        repository = kit.copy_work_tree(folder / "repository")
        self.folder = kit.render(repository, folder / "study", workers=1)
        shutil.copy(WORK, self.folder / "analysis" / "acceptance.py")
        self.outside = folder
        self.port = port
        self._log = folder / "run.log"
        self._last = ExitStack()

    @property
    def connection(self) -> Path:
        """Its connection file."""
        return self.folder / ".kubefuture" / "connection.json"

    @property
    def status(self) -> Status:
        """What its scheduler says."""
        return fetch_status(Connection.load(self.connection))

    @property
    def said(self) -> str:
        """What the script said."""
        return self._log.read_text(errors="replace")

    def make(self, *arguments: str) -> str:
        """Runs one of its targets to the end and returns what it said."""
        return kit.make(self.folder, *arguments).stdout

    def run(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Starts its script as `make run` does."""
        said = shlex.join(map(str, ("--connection", self.script_connection, *arguments)))
        command = ["make", "--no-print-directory", "run", "SCRIPT=analysis/acceptance.py", f"ARGS={said}"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def environment(self) -> dict[str, str]:
        """The script's."""
        return kit.environment()

    @property
    def script_connection(self) -> Path:
        """The connection file that the script uses."""
        return self.connection

    @abstractmethod
    def up(self) -> None:
        """Brings it up, with one worker."""

    @abstractmethod
    def kill(self, visit: Visit) -> None:
        """Kills the slot of an element that waits, and returns when that is done."""

    @abstractmethod
    def end_worker(self, visits: Sequence[Visit]) -> list[Visit]:
        """Kills what holds slots; returns those of the elements that went with it."""

    @abstractmethod
    def end_scheduler(self) -> None:
        """Kills the scheduler, and returns when there is another one."""

    @property
    @abstractmethod
    def carried(self) -> int:
        """How many connections the script has had."""

    @abstractmethod
    def part(self) -> None:
        """Cuts the script off, until it is joined again."""

    @abstractmethod
    def mend(self) -> None:
        """Joins it again."""

    def down(self) -> list[str]:
        """Takes it down; returns what is left all the same, as sentences."""
        said = self.make("down")
        self.close()
        left = self.left()
        if "Nothing is left" not in said:
            left.append(f"`make down` said: {said}")
        return left

    @abstractmethod
    def left(self) -> list[str]:
        """What is left of it."""

    def close(self) -> None:
        """Ends what was started beside it."""
        self._last.close()
