"""How much memory a process has in use; Linux only."""

from __future__ import annotations

import threading
from pathlib import Path


def resident(pid: int) -> int:
    """In bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS")), 0)


class Watch:
    """The most memory that a process has in use while this is open.

    Attributes:
        before: What it had in use at first, in bytes.
    """

    def __init__(self, pid: int) -> None:
        self.before = self._most = resident(pid)
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def grown(self) -> int:
        """By how much it had grown at most, in bytes."""
        return self._most - self.before

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, resident(self._pid))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
