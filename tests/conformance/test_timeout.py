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
def passed(pool, monkeypatch):
    """Until this is set nothing of this program finds that time is up, as if it were stopped.

    Not even after that does anything look at the time by itself: what comes is a result.
    """
    monkeypatch.setattr(type(current_plan().backend()), "call_later", lambda *_: None)
    monkeypatch.setattr(Stream, "_patience", lambda _: 600.0)
    passed, late = threading.Event(), Stream._is_late.fget
    monkeypatch.setattr(Stream, "_is_late", property(lambda one: passed.is_set() and late(one)))
    return passed


def let_go_late(checkpoint, passed):
    """Lets the element go on that comes to the checkpoint, when its time is up for sure."""

    def wait():
        visit = checkpoint.next()
        time.sleep(SECONDS)
        passed.set()
        visit.go()

    waiting = threading.Thread(target=wait)
    waiting.start()
    return waiting


def test_r22_a_future_whose_result_comes_too_late_has_timed_out(passed, checkpoint):
    late = let_go_late(checkpoint, passed)
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
def test_r22_a_map_whose_last_result_comes_too_late_has_timed_out(passed, checkpoint, run):
    late = let_go_late(checkpoint, passed)
    with pytest.raises(TimeoutError, match=r"slow did not finish within 0\.2 s"):
        run(reach, [checkpoint.port])
    late.join()
    assert kf.map(abs, [-1]) == [1]
