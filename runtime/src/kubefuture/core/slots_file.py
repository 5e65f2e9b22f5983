"""The wanted number of slots on this machine, as a file: the scheduler writes it, and it survives restarts."""

from __future__ import annotations

from pathlib import Path

from ..errors import StartError
from .files import replace_text


def read_slots(path: Path) -> int:
    """The wanted number of slots.

    Raises:
        StartError: The file does not hold a whole number.
    """
    try:
        return max(0, int(path.read_text(encoding="ascii")))
    except (OSError, ValueError) as error:
        raise StartError(
            f"The number of slots cannot be read from {path} ({error}). Run `make up` again."
        ) from None


def write_slots(path: Path, slots: int) -> None:
    """Records the wanted number of slots, all or nothing."""
    replace_text(path, f"{slots}\n")
