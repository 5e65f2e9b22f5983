"""Tells a socket that somebody answers from one that was left behind."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from ..project.errors import ProjectError


def answers(path: Path) -> bool:
    """Whether a process listens on a socket, even if it does not take connections in time."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def refuse_stranger(path: Path) -> None:
    """Refuses a socket's path that somebody else uses; all processes of this project have ended.

    Args:
        path: Where the scheduler will listen.

    Raises:
        ProjectError: A process answers there, or it is no socket.
    """
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise ProjectError(f"{path} is in the way: it is not a socket of ours. Look at it, and remove it.")
    if answers(path):
        raise ProjectError(
            f"The socket {path} is in use by a process that is not this project's{_peer(path)}. "
            "End it, or set XDG_RUNTIME_DIR to another folder of your own, and try again."
        )


def _peer(path: Path) -> str:
    if sys.platform != "linux":
        return ""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return ""
    return f" (process {int.from_bytes(credentials[:4], sys.byteorder)})"
