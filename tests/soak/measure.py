"""What each process uses."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kubefuture.core.trim import trimmer

from tests.faults.programs import Cluster

_LOOKS = 5
_PAUSE = 0.5


def let_go() -> None:
    """Gives back what this program has freed, as the daemons do when they have nothing to do."""
    gc.collect()
    if (trim := trimmer()) is not None:
        trim(0)


@dataclass(frozen=True)
class Use:
    """One look at everything.

    Attributes:
        memory: Bytes of resident memory by role.
        descriptors: Open ones by role.
        journal: Bytes of the journal's files.
        slots: Bytes of resident memory of each slot. They are replaced now and then, so no growth can be told.
    """

    memory: dict[str, int]
    descriptors: dict[str, int]
    journal: int
    slots: tuple[int, ...]

    @classmethod
    def now(cls, cluster: Cluster) -> Use:
        """Looks a few times, while nothing is under way. The least memory counts: a moment's peak is no growth."""
        let_go()
        assert cluster.scheduler is not None and cluster.worker is not None
        pids = {"client": os.getpid(), "scheduler": cluster.scheduler.pid, "worker": cluster.worker.pid}
        memory = {role: _resident(pid) for role, pid in pids.items()}
        for _ in range(_LOOKS - 1):
            time.sleep(_PAUSE)
            memory = {role: min(size, _resident(pids[role])) for role, size in memory.items()}
        return cls(
            memory,
            {role: len(os.listdir(f"/proc/{pid}/fd")) for role, pid in pids.items()},
            sum(path.stat().st_size for path in (cluster.folder / "journal").glob("*")),
            tuple(_of_slots(cluster.worker.pid)),
        )

    def line(self) -> str:
        """For people."""
        memory = "  ".join(f"{role} {size / 2**20:.1f} MiB" for role, size in self.memory.items())
        handles = "/".join(str(count) for count in self.descriptors.values())
        journal = f"journal {self.journal / 2**10:.0f} KiB"
        return f"{memory}  slots {self.slots_line()}  descriptors {handles}  {journal}"

    def slots_line(self) -> str:
        """Theirs, for people."""
        return ", ".join(f"{size / 2**20:.1f}" for size in self.slots) + " MiB" if self.slots else "none"


def _of_slots(worker: int) -> Iterator[int]:
    """What each child of a worker uses."""
    for pid in Path(f"/proc/{worker}/task/{worker}/children").read_text(encoding="ascii").split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it was just replaced
            yield _resident(int(pid))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
