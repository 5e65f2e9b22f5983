"""Ports that stay free when nobody listens there: the kernel gives none of these to who asks for any."""

from __future__ import annotations

import random
import socket
import sys
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def listener() -> socket.socket:
    """Listens at such a port of 127.0.0.1, which can be opened again."""
    first = int(_RANGE.read_text().split()[0]) if sys.platform == "linux" else 32768
    for port in random.sample(range(first // 2, first), 100):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise AssertionError(f"no port below {first} is free")


def free_port() -> int:
    """Such a port at which nobody listens."""
    with listener() as server:
        return int(server.getsockname()[1])
