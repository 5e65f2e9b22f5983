"""The folder that the program is in, also when somebody removed it, and those above it that are the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def current_folder() -> str:
    """The present folder's path; empty where it was removed, or may not be seen."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def own_folders(start: Path | None = None) -> Iterator[Path]:
    """A folder and those above it, up to the repository's root or the home folder.

    Where there is neither, no further than the folders that are the user's own.

    Args:
        start: Where to begin, by default the current folder; there is none where that was removed.
    """
    home = Path.home().resolve()
    begin = start or current_folder()
    if not begin:
        return
    folder = Path(begin).resolve()
    for place in (folder, *folder.parents):
        if place != folder and (place.parent == place or place.stat().st_uid != os.getuid()):
            return
        yield place
        if place == home or (place / ".git").exists():
            return
