"""The acceptance on this machine: processes are killed, and a wire between script and scheduler is cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kubefuture.protocol.messages import Status

from tests.faults import processes
from tests.faults.checkpoint import Visit
from tests.faults.wire import Wire

from .place import Place, eventually


class Here(Place):
    """A project whose workers are processes of this machine."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self.checkpoint = f"127.0.0.1:{port}"
        self._seen: set[tuple[int, str]] = set()
        self._wire: Wire

    @property
    def status(self) -> Status:
        """What its scheduler says. What is seen to run is remembered, so that it can be looked for at the end."""
        status = super().status
        keeper = processes.living()[status.scheduler_pid].parent
        pids = (keeper, *(process.pid for process in processes.descendants(keeper)))
        self._seen |= {(pid, _began(pid)) for pid in pids}
        return status

    def up(self) -> None:
        """Brings it up, with a wire before it."""
        self.make("up")
        self._wire = self._last.enter_context(Wire(self.connection, self.outside))

    @property
    def script_connection(self) -> Path:
        """Leads through the wire."""
        return self._wire.connection

    def kill(self, visit: Visit) -> None:
        """Kills a slot."""
        visit.kill()

    def end_worker(self, visits: Sequence[Visit]) -> list[Visit]:
        """Kills the only supervisor, with which all slots end."""
        supervisor = self._supervisor
        processes.kill(supervisor)
        for visit in visits:
            visit.left()
        eventually(lambda: self._supervisor != supervisor, "the start of another supervisor")
        return list(visits)

    def end_scheduler(self) -> None:
        """Kills it."""
        before = eventually(lambda: self.status, "an answer of the scheduler").scheduler_pid
        processes.kill(before)
        eventually(lambda: self._answers(before), "the start of another scheduler")
        assert self._supervisor

    @property
    def carried(self) -> int:
        """Connections through the wire."""
        return self._wire.carried

    def part(self) -> None:
        """Parts the wire."""
        self._wire.part()

    def mend(self) -> None:
        """Mends it."""
        self._wire.mend()

    def left(self) -> list[str]:
        """Processes that were seen, and are not dead."""
        living = processes.living()
        return [
            f"{living[pid]} is still there"
            for pid, began in sorted(self._seen)
            if pid in living and _began(pid) == began
        ]

    @property
    def _supervisor(self) -> int:
        return eventually(lambda: self.status.workers, "a worker that is connected")[0].pid

    def _answers(self, before: int) -> bool:
        """Whether there is a scheduler, which is not the one before."""
        try:
            return self.status.scheduler_pid != before
        except ConnectionError:
            return False


def _began(pid: int) -> str:
    """When a process began, since its number may be another one's later; empty if it is gone, or without /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
