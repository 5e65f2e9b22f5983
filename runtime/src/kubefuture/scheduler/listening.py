"""The sockets at which a scheduler listens: a private one of this machine, a network address, or both."""

from __future__ import annotations

import errno
import os
import socket

from ..core.connection import split_place
from ..errors import StartError

EVERYWHERE = "::"
"""The host that stands for every address of this machine, those of IPv4 too, and for those alone without IPv6."""

_BACKLOG = 1024
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


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
        host: A name or number of this machine, or `EVERYWHERE`.
        port: 0 for any that is free.

    Raises:
        StartError: It cannot be had.
    """
    try:
        if host == EVERYWHERE:
            return _listen_everywhere(port)
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StartError(
            f"The scheduler cannot listen at {host}, port {port}: {error.strerror or error}. "
            "See who else uses that port, or choose another with --listen."
        ) from None


def listen_page(place: str) -> socket.socket:
    """Listens where a page is to be that asks for no login: at a private socket, or for this machine alone.

    Args:
        place: `127.0.0.1:PORT`, or `unix:` and a path.

    Raises:
        StartError: It cannot be had, or others could reach it.
    """
    if place.startswith("unix:"):
        return listen_unix(place.removeprefix("unix:"))
    try:
        host, port = split_place(place)
    except ValueError as error:
        raise StartError(f"--page: {error}, as in 127.0.0.1:8080.") from None
    if host not in ("127.0.0.1", "::1"):
        raise StartError(f"--page: {place} could be reached from elsewhere; it must be 127.0.0.1 or [::1].")
    return listen_tcp(host, port)


def _listen_everywhere(port: int) -> socket.socket:
    """One socket for both families, as the cluster decides which of them a pod has."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
