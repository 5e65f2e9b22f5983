"""The sockets at which a scheduler listens: a private one of this machine, a network address, or both."""

from __future__ import annotations

import errno
import os
import socket

from ..errors import StartError

_BACKLOG = 1024


def listen_unix(path: str) -> socket.socket:
    """Listens at a Unix socket, over one that a dead scheduler left, but never over a living one's.

    Raises:
        StartError: It cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if _answers(path):
                raise StartError(
                    f"Somebody already listens at {path}, so a second scheduler cannot. "
                    "Run `make down`, then `make up`."
                ) from None
            os.unlink(path)
            listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"The socket {path} cannot be made: {error.strerror or error}.") from None
    except StartError:
        listener.close()
        raise
    return listener


def listen_tcp(host: str, port: int) -> socket.socket:
    """Listens at a network address.

    Args:
        host: A name or number of this machine.
        port: 0 for any that is free.

    Raises:
        StartError: It cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StartError(
            f"The scheduler cannot listen at {host}, port {port}: {error.strerror or error}. "
            "See who else uses that port, or choose another with --listen."
        ) from None


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
