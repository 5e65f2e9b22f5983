"""Where local sockets live: a private folder with a short path, whatever the project's path is (R33).

A Unix socket's path holds at most 108 bytes on Linux and 104 on macOS.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from ..errors import StartError

_ATTEMPTS = 10


def socket_folder(project_folder: Path) -> Path:
    """The folder for the sockets of one project. It is not made.

    Args:
        project_folder: The project's folder.

    Returns:
        A path of at most 60 bytes, different for each project and user.
    """
    name = hashlib.sha256(os.fsencode(project_folder.resolve())).hexdigest()[:16]
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base.startswith("/") and len(os.fsencode(base)) <= 40 and _is_private(Path(base)):
        return Path(base) / f"kubefuture-{name}"
    return Path("/tmp") / f"kubefuture-{os.getuid()}" / name


def make_socket_folder(project_folder: Path) -> Path:
    """Makes the folder, private to the user.

    Args:
        project_folder: The project's folder.

    Raises:
        StartError: It cannot be made, or somebody else made it first.
    """
    folder = socket_folder(project_folder)
    places = (folder.parent, folder) if folder.parent.parent == Path("/tmp") else (folder,)
    for attempts_left in range(_ATTEMPTS - 1, -1, -1):
        try:
            for place in places:
                _make(place)
            break
        except OSError as error:
            if attempts_left and isinstance(error, (FileNotFoundError, FileExistsError)):
                continue  # another project's end may have removed the empty folder that all share
            raise StartError(
                f"The folder for sockets, {place}, cannot be made ({error.strerror}). "
                "Make its parent writable, or set XDG_RUNTIME_DIR to a folder of your own."
            ) from None
    return folder


def _make(place: Path) -> None:
    place.mkdir(mode=0o700, exist_ok=True)
    if not _private(place.lstat()):
        raise StartError(
            f"The folder for sockets, {place}, is not private to you: another user may have made it. "
            "Remove it, or set XDG_RUNTIME_DIR to a folder of your own with mode 0700."
        )


def _is_private(folder: Path) -> bool:
    try:
        return _private(folder.lstat())
    except OSError:
        return False


def _private(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
