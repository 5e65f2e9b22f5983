"""timeout: results that come when time is up already, to a program that was not run for a while (R22)."""

from __future__ import annotations

import asyncio
import threading
import time

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.api.stream import Stream

from tests.faults.checkpoint import reach

SECONDS = 0.2
SOON = kf.options(timeout=SECONDS, label="slow")


@pytest.fixture
def nobody_looks(pool, monkeypatch):
    """Nothing of this program looks at the time by itself, as if it were stopped until a result is there."""
    monkeypatch.setattr(type(current_plan().backend()), "call_later", lambda *_: None)
    monkeypatch.setattr(Stream, "_patience", lambda _: 600.0)


def let_go_late(checkpoint):
    """Lets the element go on that comes to the checkpoint, when its time is up for sure."""

    def wait():
        visit = checkpoint.next()
        time.sleep(SECONDS)
        visit.go()

    waiting = threading.Thread(target=wait)
    waiting.start()
    return waiting


def test_r22_a_future_whose_result_comes_too_late_has_timed_out(nobody_looks, checkpoint):
    late = let_go_late(checkpoint)
    future = SOON.future(reach, checkpoint.port)
    with pytest.raises(TimeoutError, match=r"slow did not finish within 0\.2 s"):
        future.result()
    late.join()
    assert kf.map(abs, [-1]) == [1]


@pytest.mark.parametrize(
    "run",
    [
        lambda *call: SOON.map(*call),
        lambda *call: list(SOON.imap(*call)),
        lambda *call: asyncio.run(kf.aio.options(timeout=SECONDS, label="slow").map(*call)),
    ],
    ids=["map", "imap", "aio"],
)
def test_r22_a_map_whose_last_result_comes_too_late_has_timed_out(nobody_looks, checkpoint, run):
    late = let_go_late(checkpoint)
    with pytest.raises(TimeoutError, match=r"slow did not finish within 0\.2 s"):
        run(reach, [checkpoint.port])
    late.join()
    assert kf.map(abs, [-1]) == [1]
