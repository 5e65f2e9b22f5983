"""Notices that the other side of a network connection is gone without a word, as when its machine lost power."""

from __future__ import annotations

import asyncio
import socket

_OPTIONS = {
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPALIVE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 30_000,
}
"""In seconds, a number of probes, and milliseconds: it takes half a minute. Each system has some of these names."""


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Has the kernel ask the other side for a sign of life. Nothing for a connection that stays on this machine."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
