"""Which workers a scheduler that was started anew waits for before it leases anything (R7).

What they run goes on meanwhile. Leasing it once more, since its worker was a moment late, would waste it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.files import replace_text
from ..core.identity import is_alive
from ..core.settings import LEASE_SECONDS
from ..protocol.messages import Hello

_MOST_LINES = 1000


@dataclass(frozen=True)
class _Worker:
    identity: str
    machine: str
    pid: int
    started: int
    host: str = ""


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
        self._missing = self._read()
        self._lines = 0
        self._rewrite()

    def joined(self, hello: Hello) -> None:
        """A worker is here."""
        worker = _Worker(hello.identity, hello.machine, hello.pid, hello.started, hello.host)
        self._known[hello.identity] = worker
        self._note(asdict(worker))

    def told(self, hello: Hello) -> None:
        """A worker has told what it has, or somebody else has told something."""
        self._missing.pop(hello.identity, None)

    def left(self, hello: Hello) -> None:
        """A worker is gone for good."""
        if self._known.pop(hello.identity, None) is not None:
            self._note({"identity": hello.identity})

    def missing(self, now: float) -> dict[str, str]:
        """Workers that are still to come: identity and host."""
        return {one.identity: one.host for one in self._missing.values()} if self.waits(now) else {}

    def gone(self, identity: str) -> None:
        """A worker that was missing does not exist any more."""
        self._missing.pop(identity, None)

    def waits(self, now: float) -> bool:
        """Whether a worker that may have work is still to come."""
        if self._missing:
            self._missing = {
                identity: worker
                for identity, worker in self._missing.items()
                if now < self._until and is_alive(worker.machine, worker.pid, worker.started)
            }
        return bool(self._missing)

    def _read(self) -> dict[str, _Worker]:
        """A line each for who came, with all that is known, and for who left."""
        found: dict[str, _Worker] = {}
        try:
            for text in self._path.read_text(encoding="utf-8").splitlines():
                told = json.loads(text)
                if len(told) > 1:
                    found[told["identity"]] = _Worker(**told)
                else:
                    found.pop(told["identity"], None)
        except (OSError, ValueError, TypeError, KeyError):
            pass  # what could be read counts
        return found

    def _note(self, told: dict[str, object]) -> None:
        self._lines += 1
        if self._lines > _MOST_LINES + 2 * len(self._known):
            self._rewrite()
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(told)}\n")
        except OSError as error:
            self._say_unrecorded(error)

    def _rewrite(self) -> None:
        """Only those that are here, and those that are waited for."""
        self._lines = 0
        workers = {**self._missing, **self._known}.values()
        try:
            replace_text(self._path, "".join(f"{json.dumps(asdict(worker))}\n" for worker in workers))
        except OSError as error:
            self._say_unrecorded(error)

    def _say_unrecorded(self, error: OSError) -> None:
        self._log(f"the connected workers cannot be recorded in {self._path}: {error}")
