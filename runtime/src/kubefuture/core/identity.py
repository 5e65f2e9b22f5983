"""How this process introduces itself."""

from __future__ import annotations

import os
import platform
import secrets
import sys

from ..protocol.messages import PROTOCOL, Hello
from .version import own_environment


def hello(role: str, *, slots: int = 0) -> Hello:
    """The first message of a connection.

    Args:
        role: `client`, `control`, `worker`, or `scheduler` for what a scheduler says of itself.
        slots: How many slots a worker starts with.
    """
    return Hello(
        role=role,
        protocol=PROTOCOL,
        identity=secrets.token_hex(8),
        host=platform.node(),
        pid=os.getpid(),
        environment=own_environment(),
        slots=slots,
        sys_path=_module_path() if role == "client" else (),
        folder=os.getcwd() if role == "client" else "",
    )


def _module_path() -> tuple[str, ...]:
    """Where this program finds its own modules: sys.path without Python's and the environment's folders."""
    own = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    found = []
    for entry in sys.path:
        path = os.path.abspath(entry)
        real = os.path.realpath(path)
        if not any(_is_library(real, prefix) for prefix in own) and path not in found:
            found.append(path)
    return tuple(found)


def _is_library(path: str, prefix: str) -> bool:
    return path.startswith(os.path.join(prefix, "lib")) or path == prefix
