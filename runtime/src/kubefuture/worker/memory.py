"""Memory that runs short: the largest slot is ended, by name, before anything else is (R20).

Without this the machine would slow down for everybody, and in the end the kernel would choose whom to kill;
with version 2 of control groups it kills the whole container.

    all slots together   90 % of workers.memory for each of them    their own pages, and of what they started
    the container        90 % of its limit                          the kernel's account of it
    the machine          95 % of its memory                         where there is neither

Whichever is reached first counts. Where all slots together hold less than what is to be kept free, it is
somebody else who fills the memory, and no slot is ended for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.cgroups import MemoryGroup
from ..core.resources import MachineMemory
from .slot_set import SlotSet

LIMIT_SHARE = 0.9
"""Part of the limit at which the largest slot is ended."""

MACHINE_SHARE = 0.95
"""The same for a machine's whole memory, of which 5 % stay free."""

LOOK_SECONDS = 0.1
"""Time between two looks."""

_LOOKS = 5
"""After so many looks it is asked anew what the slots have started: that means asking of all processes there are."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


def resident_bytes(pid: int, proc: Path = _PROC) -> int:
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


def resident_bytes_of_groups(groups: Iterable[int], proc: Path = _PROC) -> dict[int, int]:
    """The same for whole process groups, as what an element starts is in its slot's group.

    Args:
        groups: The groups' numbers.
        proc: Where the kernel's process files are.
    """
    members = members_of_groups(groups, proc)
    return {group: sum(resident_bytes(pid, proc) for pid in pids) for group, pids in members.items()}


def members_of_groups(groups: Iterable[int], proc: Path = _PROC) -> dict[int, list[int]]:
    """The processes of each group. It takes some 10 us for each process of the machine."""
    members: dict[int, list[int]] = {group: [] for group in groups}
    try:
        names = os.listdir(proc)
    except OSError:  # it is not there, or no descriptor is left
        names = []
    for name in names:
        if not name.isdigit():
            continue
        try:
            text = (proc / name / "stat").read_text(encoding="utf-8", errors="replace")
            group = int(text.rpartition(")")[2].split()[2])
        except (OSError, ValueError, IndexError):
            continue
        if group in members:
            members[group].append(int(name))
    return members


class Shortage(NamedTuple):
    """Memory is short.

    Attributes:
        free: Bytes that are to be kept free.
        words: How much is used of what, for people.
    """

    free: float
    words: str


class MemoryGuard:
    """Ends the largest of some slots when memory runs short.

    Args:
        slots: The slots.
        happened: Takes an event for the log.
        per_slot: Bytes for each slot; together they may use that many times their number. 0 for no limit.
        groups: The control groups whose limits count.
        machine: Tells how much memory the machine has; what is asked where no control group has a limit.
    """

    def __init__(
        self,
        slots: SlotSet,
        happened: Callable[..., None],
        *,
        per_slot: int = 0,
        groups: Sequence[MemoryGroup] = (),
        machine: Callable[[], MachineMemory | None] | None = None,
    ) -> None:
        self._slots = slots
        self._happened = happened
        self._per_slot = per_slot
        self._groups = groups
        self._machine = machine
        self._ended = 0
        self._blameless = False
        self._members: dict[int, list[int]] = {}
        self._looks = 0

    def look(self) -> None:
        """Ends the largest slot if memory is short. The slots' lock is held."""
        ready = self._slots.ready
        if not ready or any(pid == self._ended for _, pid in ready):
            return  # the one that was ended still gives its memory back
        shortage = self._of_slots(ready) or self._of_groups() or self._of_machine()
        if shortage is None:
            self._blameless = False
            return
        sizes = resident_bytes_of_groups(pid for _, pid in ready)
        if sum(sizes.values()) < shortage.free:
            if not self._blameless:
                self._happened("memory-short", told=shortage.words)
            self._blameless = True
            return
        size, number, pid = max((sizes[pid], number, pid) for number, pid in ready)
        reason = f"ended for want of memory, as {shortage.words}, and this slot {_mib(size)}"
        self._happened("slot-killed", slot=number, reason=reason)
        self._ended = pid
        self._slots.end(number, reason)

    def _of_slots(self, ready: Sequence[tuple[int, int]]) -> Shortage | None:
        if not self._per_slot:
            return None
        slots = len(self._slots.numbers)  # those that are just started included
        total = sum(resident_bytes(pid) for pids in self._processes(ready).values() for pid in pids)
        limit = slots * self._per_slot
        if total <= LIMIT_SHARE * limit:
            return None
        whose = f"all {slots} slots" if slots > 1 else "the only slot"
        words = f"{whose} used {_mib(total)} of the {_mib(limit)} that workers.memory allows"
        return Shortage(0, words)

    def _processes(self, ready: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
        """The slots' processes and what their elements have started, which is looked for only now and then."""
        slots = [pid for _, pid in ready]
        if self._looks % _LOOKS == 0 or list(self._members) != slots:
            self._members = {pid: found or [pid] for pid, found in members_of_groups(slots).items()}
        self._looks += 1
        return self._members

    def _of_groups(self) -> Shortage | None:
        for group in self._groups:
            use = group.over(LIMIT_SHARE)
            if use is not None:
                words = f"the container used {_mib(use.used)} of the {_mib(use.limit)} that it may"
                return Shortage((1 - LIMIT_SHARE) * use.limit, words)
        return None

    def _of_machine(self) -> Shortage | None:
        if self._machine is None or any(group.limit for group in self._groups):
            return None
        memory = self._machine()
        if memory is None or memory.total - memory.available <= MACHINE_SHARE * memory.total:
            return None
        words = f"this machine had {_mib(memory.available)} left of its {_mib(memory.total)}"
        return Shortage((1 - MACHINE_SHARE) * memory.total, words)


def _mib(size: float) -> str:
    return f"{size / 2**20:.0f} MiB"
