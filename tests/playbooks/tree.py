"""A folder's whole content at a moment, to see that nothing in it was changed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

_NOT_OURS = ("__pycache__", ".kubefuture/local/logs", ".kubefuture/local/journal", ".kubefuture/tools")
"""Python's caches, what running programs write by themselves at any time, and the tools."""


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, time of the last change, and digest of everything in a project's folder.

    Links are not followed; sockets and pipes have no digest.
    """
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not str(Path(place, name)).endswith(_NOT_OURS)]
        for name in (*folders, *files):
            path = Path(place, name)
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            digest = hashlib.sha256(content).hexdigest()
            found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, digest)
    return found
