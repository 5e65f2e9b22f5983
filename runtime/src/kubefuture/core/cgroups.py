"""What the kernel grants this process's control groups: cores and memory.

    /proc/self/cgroup ──> its folder in each hierarchy, and those above ──> the limits that hold there

In a container the own limits are often at the root of the mount, whatever /proc/self/cgroup says. So every
folder from that root down to the named one is asked, and the least of all answers holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_NO_LIMIT = 1 << 60
"""Version 1 says "no limit" with the largest number of pages that it can count, which depends on the machine."""


class Use(NamedTuple):
    """Memory of a control group: `used` bytes, of `limit` that it may have."""

    used: int
    limit: int


class MemoryGroup:
    """One control group's memory.

    What counts is what the kernel cannot take back: its own account of the group without the page cache of
    files, which it drops before it kills anybody, and in version 2 without the caches of its own that it can
    shrink. The sum of the processes' memory would not do: also their kernel memory, what they hold in
    memory-backed folders, and everybody else in the group count against the limit, and a page that
    several of them share counts once.

    Args:
        folder: The kernel's files of it.
        unified: It is one of version 2.
    """

    def __init__(self, folder: Path, *, unified: bool) -> None:
        self._folder = folder
        if unified:
            self._limit, self._usage = "memory.max", "memory.current"
            self._cache = {"inactive_file", "active_file", "slab_reclaimable"}
        else:
            self._limit, self._usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
            self._cache = {"total_inactive_file", "total_active_file"}

    @property
    def exists(self) -> bool:
        """Whether memory is accounted for here."""
        return (self._folder / self._limit).is_file()

    @property
    def limit(self) -> int | None:
        """Bytes that it may have; None without a limit. It may be changed while processes run."""
        limit = self._read(self._limit)
        return limit if limit is not None and 0 < limit < _NO_LIMIT else None

    def use(self) -> Use | None:
        """What it uses, None without a limit."""
        return self.over(-1.0)

    def over(self, share: float) -> Use | None:
        """What it uses, if that is more than a part of its limit; None if not, or without a limit."""
        limit = self.limit
        if limit is None:
            return None
        usage = self._read(self._usage)
        if usage is None or usage <= share * limit:
            return None  # asking for the cache too makes the kernel sum up over all cores
        used = usage - self._reclaimable()
        return Use(used, limit) if used > share * limit else None

    def _read(self, name: str) -> int | None:
        try:
            with open(
                f"{self._folder}/{name}", "rb", buffering=0
            ) as file:  # ten times a second, so the short way
                return int(file.read(64))
        except (OSError, ValueError):  # version 2 says "max" for no limit
            return None

    def _reclaimable(self) -> int:
        total = 0
        try:
            for line in (self._folder / "memory.stat").read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name in self._cache:
                    total += int(value)
        except (OSError, ValueError):
            return 0
        return total


def memory_groups(root: Path = Path("/")) -> list[MemoryGroup]:
    """The control groups whose memory limits hold for this process, the outermost first.

    Args:
        root: What /proc and /sys are below.
    """
    groups = [MemoryGroup(folder, unified=unified) for folder, unified in _folders("memory", root)]
    return [group for group in groups if group.exists]


def cpu_quotas(root: Path = Path("/")) -> list[int]:
    """The CPU quotas that hold for this process, in cores, rounded up.

    Args:
        root: What /proc and /sys are below.
    """
    found = []
    for folder, unified in _folders("cpu", root):
        try:
            quota, period = _quota(folder, unified=unified)
        except (OSError, ValueError):  # "max" is no number: no limit
            continue
        if quota > 0 and period > 0:
            found.append(max(1, -(-quota // period)))
    return found


def _quota(folder: Path, *, unified: bool) -> tuple[int, int]:
    if unified:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return int(quota), int(period)
    quota_us = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    return quota_us, int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))


def _folders(controller: str, root: Path) -> Iterator[tuple[Path, bool]]:
    """The folders that may limit this process, and whether they are of version 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            bases = [mount]
        elif controller in controllers.split(","):
            bases = [mount / name for name in dict.fromkeys((controllers, controller))]
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        for base in bases:
            for depth in range(len(parts) + 1):
                yield base.joinpath(*parts[:depth]), not controllers
