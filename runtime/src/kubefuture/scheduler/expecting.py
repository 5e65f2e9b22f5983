"""Which workers a scheduler that was started anew waits for before it leases anything (R7).

What they run goes on meanwhile. Leasing it once more, since its worker was a moment late, would waste it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.identity import is_alive
from ..core.settings import LEASE_SECONDS
from ..protocol.messages import Hello


@dataclass(frozen=True)
class _Worker:
    identity: str
    machine: str
    pid: int
    started: int


class Expected:
    """Workers that were connected when the scheduler before ended.

    Args:
        path: Remembers them.
        now: The time, in seconds from any fixed point.
        log: Takes one line for the log.
    """

    def __init__(self, path: Path, now: float, log: Callable[[str], None]) -> None:
        self._path = path
        self._log = log
        self._until = now + LEASE_SECONDS
        self._known: dict[str, _Worker] = {}
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            self._missing = {one["identity"]: _Worker(**one) for one in told}
        except (OSError, ValueError, TypeError, KeyError):
            self._missing = {}

    def joined(self, hello: Hello) -> None:
        """A worker is here."""
        self._known[hello.identity] = _Worker(hello.identity, hello.machine, hello.pid, hello.started)
        self._remember()

    def told(self, hello: Hello) -> None:
        """A worker has told what it has, or somebody else has told something."""
        self._missing.pop(hello.identity, None)

    def left(self, hello: Hello) -> None:
        """A worker is gone for good."""
        if self._known.pop(hello.identity, None) is not None:
            self._remember()

    def waits(self, now: float) -> bool:
        """Whether a worker that may have work is still to come."""
        if self._missing:
            self._missing = {
                identity: worker
                for identity, worker in self._missing.items()
                if now < self._until and is_alive(worker.machine, worker.pid, worker.started)
            }
        return bool(self._missing)

    def _remember(self) -> None:
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            draft.write_text(
                json.dumps([asdict(worker) for worker in self._known.values()]), encoding="utf-8"
            )
            os.replace(draft, self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            self._log(f"the connected workers cannot be recorded in {self._path}: {error}")
