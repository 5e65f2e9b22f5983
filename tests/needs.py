"""What a test needs and a machine may lack: skipped with the reason here, a failure where CI=true is set."""

from __future__ import annotations

import os
import shutil
import socket
from typing import NoReturn

import pytest


def command(name: str, why: str) -> str:
    """The path of a command, without which the test cannot run.

    Args:
        name: The command.
        why: What the test does with it, for the person who reads the reason.
    """
    found = shutil.which(name)
    if found is None:
        missing(f"{name} ({why})")
    return found


def ipv6() -> None:
    """The machine has to have IPv6, without which the test cannot run."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        missing("IPv6 (connects to ::1)")


def missing(what: str) -> NoReturn:
    """Ends the test for want of something: CI has everything, so there it is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"needs {what}; in CI nothing may be skipped", pytrace=False)
    pytest.skip(f"needs {what}")
