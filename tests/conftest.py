"""What all tests need."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Ctrl-C works as on a terminal, also where a shell started the tests in the background and ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
