"""The type of this machine's CPU, as far as numerical libraries choose their kernels by it (R12, R24)."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

_VECTORS = ("avx512f", "avx2", "avx", "sse4_2")
"""The widest that a CPU has counts; see OpenBLAS's list of targets and NumPy's of dispatched features."""

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@cache
def cpu_type(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Names the type: architecture, maker, and the widest vectors or the core's design.

    Two machines with the same name run the same kernels, so that the same arithmetic has the same bits.
    Models that differ in speed alone have one name.

    Args:
        cpuinfo: Where Linux describes its CPUs.

    Returns:
        As `x86_64 AuthenticAMD avx512f` or `aarch64 0x41 0xd0c`; only the architecture where nothing more is known.
    """
    machine = platform.machine().lower()
    parts = [_ARCHITECTURES.get(machine, machine)]
    described = _first_cpu(cpuinfo)
    for key in ("vendor_id", "CPU implementer", "CPU part"):
        if key in described:
            parts.append(described[key])
    flags = set(described.get("flags", "").split())
    parts += [vector for vector in _VECTORS if vector in flags][:1]
    return " ".join(parts)


def _first_cpu(cpuinfo: Path) -> dict[str, str]:
    """The lines about the first CPU: a large machine has hundreds, and describing them takes the kernel a while."""
    described: dict[str, str] = {}
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, separator, value = line.partition(":")
                if separator:
                    described[key.strip()] = value.strip()
                elif described:
                    break
    except OSError:
        pass
    return described
