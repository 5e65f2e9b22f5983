"""What all tests need."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.faults.waiting import LIMIT


def pytest_configure() -> None:
    """Ctrl-C and a hang-up work as on a terminal, also where the tests were started so that these are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def schedulers_may_be_slow() -> Iterator[None]:
    """What asks a scheduler in this process bears with one that a busy machine keeps waiting, for as long as a test.

    A test that is about these times sets them itself.
    """
    with pytest.MonkeyPatch.context() as change:
        change.setattr("kubefuture.core.link.LOGIN_SECONDS", LIMIT)
        for name in ("control._STATUS_SECONDS", "control._SCALE_SECONDS", "dask_control._SECONDS"):
            change.setattr(f"kubefuture.client.{name}", LIMIT)
        yield
