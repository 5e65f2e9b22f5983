"""Slots that need more memory than there is: the largest one is ended, by name, before anything else is (R20).

Without this the machine would slow down for everybody, and in the end the kernel would choose whom to kill.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .slot_set import SlotSet

LIMIT_SHARE = 0.9
"""Part of the limit at which the largest slot is ended."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """The memory that only this process holds: resident pages without the shared ones.

    Args:
        pid: The process.
        proc: Where the kernel's process files are.

    Returns:
        Bytes; 0 when the process is gone, or where there is no /proc.
    """
    try:
        fields = (proc / str(pid) / "statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return max(0, int(fields[1]) - int(fields[2])) * _PAGE


class MemoryGuard:
    """Keeps a worker's slots below their limit.

    Args:
        slots: The worker's slots.
        per_slot: Bytes for each of them; together they may use that many times the number of slots.
        happened: Takes an event for the log.
    """

    def __init__(self, slots: SlotSet, per_slot: int, happened: Callable[..., None]) -> None:
        self._slots = slots
        self._per_slot = per_slot
        self._happened = happened

    def look(self) -> None:
        """Ends the largest slot if all together are over 90 % of the limit."""
        used = [(resident_bytes(pid), number) for number, pid in self._slots.ready]
        limit = len(used) * self._per_slot
        total = sum(size for size, _ in used)
        if not used or total <= LIMIT_SHARE * limit:
            return
        size, number = max(used)
        reason = (
            f"ended by the worker, as the {len(used)} slots used {_mib(total)} of the {_mib(limit)} that "
            f"workers.memory allows them together, this one {_mib(size)}"
        )
        self._happened("slot-killed", slot=number, reason=reason)
        self._slots.end(number, reason)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
