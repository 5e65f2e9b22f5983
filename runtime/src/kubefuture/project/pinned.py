"""One package out of a lock, with its version and hashes.

Used by bootstrap.py too, so it needs the standard library alone.
"""

from __future__ import annotations


def pinned(lock: str, name: str) -> str:
    """What a lock says about one package, as a lock of its own; empty if it does not name it.

    Args:
        lock: The lock's text, as `uv pip compile` writes it.
        name: The package's normalised name.
    """
    lines: list[str] = []
    inside = False
    for line in lock.splitlines():
        if line and line[0] not in " #":
            inside = line.startswith(f"{name}==")
        if inside:
            lines.append(line)
    return "\n".join(lines) + "\n" if lines else ""
