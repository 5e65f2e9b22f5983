"""What this machine has for us: cores, threads of libraries, memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from .cgroups import cpu_quotas, memory_groups

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)  # fmt: skip
"""What BLAS and OpenMP libraries read when they are loaded, so it is set before Python starts (R24). The last one is
joblib's: without it each slot would start as many processes as there are cores, for `n_jobs=-1` inside an element."""


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


def limited_threads(threads: int = 1) -> AbstractContextManager[Any]:
    """Limits this process's numerical libraries, to one thread as slots are for the sequential plan (R24).

    Looking which libraries are loaded costs 0.6 ms, so that is done again only after an import.
    """
    global _controller, _loaded
    if len(sys.modules) != _loaded:
        from threadpoolctl import ThreadpoolController

        _controller, _loaded = ThreadpoolController(), len(sys.modules)
    return _controller.limit(limits=threads)  # type: ignore[no-any-return]


_ASSIGNED = (
    ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"),  # a job that names no CPUs per task has the second alone
    ("PBS_NUM_PPN",),
    ("NCPUS",),
    ("LSB_DJOB_NUMPROC", "LSB_MAX_NUM_PROCESSORS"),
    ("NSLOTS",),
    ("PJM_VNODE_CORE",),
    ("PYTHON_CPU_COUNT",),
)
"""The variables that say how many cores a job has on this machine; of those in one row the first that is set counts."""


def available_cores() -> int:
    """How many cores this process may use: the least of what anybody allows.

    The kernel's affinity, the CPU quota of the cgroup (versions 1 and 2), what a batch system assigned
    (Slurm, PBS, LSF, SGE, Fujitsu's), as R's `parallelly::availableCores()` does, and PYTHON_CPU_COUNT, by which
    Python 3.13 and later can be told.

    Returns:
        A whole number, at least 1.
    """
    return _cores(Path("/"), os.environ)


def _cores(root: Path, environ: Mapping[str, str]) -> int:
    """The same for a machine whose /proc and /sys are below this root, and for this environment."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    limits += cpu_quotas(root)
    for names in _ASSIGNED:
        found = (environ.get(name, "") for name in names)
        limits += [int(value) for value in found if value.isdecimal() and value.isascii() and int(value) > 0][
            :1
        ]
    return max(1, min(limits))


class MachineMemory(NamedTuple):
    """Bytes of memory that the machine has, and that could be had without pushing anything out of it."""

    total: int
    available: int


def machine_memory(root: Path = Path("/")) -> MachineMemory | None:
    """The machine's memory; None where the kernel does not tell.

    Args:
        root: What /proc is below.
    """
    found = {}
    try:
        with open(f"{root}/proc/meminfo", "rb", buffering=0) as file:
            first = file.read(256).splitlines()  # what is wanted comes first
        for line in first:
            name, _, value = line.partition(b":")
            if name in (b"MemTotal", b"MemAvailable"):
                found[name] = int(value.split()[0]) << 10
        return MachineMemory(found[b"MemTotal"], found[b"MemAvailable"])
    except (OSError, ValueError, KeyError, IndexError):
        return None


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that this process can still get: the machine's and its control groups' least.

    Args:
        root: What /proc and /sys are below.

    Returns:
        None where the kernel does not tell.
    """
    machine = machine_memory(root)
    found = [] if machine is None else [machine.available]
    found += [use.limit - use.used for group in memory_groups(root) if (use := group.use()) is not None]
    return max(0, min(found)) if found else None
