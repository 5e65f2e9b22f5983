"""Amounts as Kubernetes writes them: `250m` of a CPU, `2Gi` of memory."""

from __future__ import annotations

_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip


def quantity(text: object) -> float:
    """An amount as a number; 0 for what is none."""
    words = str(text)
    digits = words.rstrip("numkKMGTPi")
    try:
        return float(digits) * _UNITS[words[len(digits) :]]
    except (ValueError, KeyError):
        return 0.0


def cpus(count: float) -> str:
    """CPUs for people."""
    rounded = f"{count:.2f}".rstrip("0").rstrip(".")
    return f"{rounded} CPU" if rounded == "1" else f"{rounded} CPUs"


def size(count: float) -> str:
    """Bytes for people."""
    for unit, name in ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB")):
        if count >= unit or name == "MiB":
            break
    return f"{count / unit:.1f}".removesuffix(".0") + f" {name}"
