"""How many cores this process may use, and how many threads a library may start."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
"""What BLAS and OpenMP libraries read when they are loaded, so it is set before Python starts (R24)."""


def slot_environment(threads_per_slot: int, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a slot.

    Args:
        threads_per_slot: How many threads its numerical libraries may use.
        base: The environment to start from.
    """
    environment = dict(base)
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(threads_per_slot)))
    return environment


_controller: Any = None
_loaded = -1


def one_thread() -> AbstractContextManager[Any]:
    """Limits this process's numerical libraries to one thread, as slots are, for the sequential plan (R24).

    Looking which libraries are loaded costs 0.6 ms, so that is done again only after an import.
    """
    global _controller, _loaded
    if len(sys.modules) != _loaded:
        from threadpoolctl import ThreadpoolController

        _controller, _loaded = ThreadpoolController(), len(sys.modules)
    return _controller.limit(limits=1)  # type: ignore[no-any-return]


def available_cores() -> int:
    """How many cores this process may use: the least of what anybody allows.

    The kernel's affinity, the CPU quota of the cgroup (versions 1 and 2) and what a batch system
    assigned, as R's `parallelly::availableCores()` does.

    Returns:
        A whole number, at least 1.
    """
    return _cores(Path("/"), os.environ)


def _cores(root: Path, environ: Mapping[str, str]) -> int:
    """The same for a machine whose /proc and /sys are below this root, and for this environment."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    limits += _quotas(root)
    for name in ("SLURM_CPUS_PER_TASK", "NCPUS", "PBS_NUM_PPN", "LSB_DJOB_NUMPROC", "NSLOTS"):
        value = environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            limits.append(int(value))
    return max(1, min(limits))


def _quotas(root: Path) -> list[int]:
    """The CPU quotas of this process' cgroup and those above it, in cores, rounded up."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        mount = root / "sys/fs/cgroup"
        if controllers and "cpu" not in controllers.split(","):
            continue
        bases = [mount] if not controllers else [mount / controllers, mount / "cpu"]
        for base in bases:
            for folder in _upward(base, path):
                found += _quota(folder)
    return found


def _upward(base: Path, path: str) -> list[Path]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return [base.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _quota(folder: Path) -> list[int]:
    for read in (_quota_of_version_2, _quota_of_version_1):
        try:
            quota, period = read(folder)
        except (OSError, ValueError):
            continue
        if quota > 0 and period > 0:
            return [max(1, -(-quota // period))]
    return []


def _quota_of_version_2(folder: Path) -> tuple[int, int]:
    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    return int(quota), int(period)  # "max" is no number: no limit


def _quota_of_version_1(folder: Path) -> tuple[int, int]:
    quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    return quota, int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
