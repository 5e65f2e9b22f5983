"""What a worker's slots hand over in the middle of a lease is gathered, and nothing changes its order (R14)."""

from __future__ import annotations

import pytest
from kubefuture.core.settings import GATHER_BYTES, GATHER_SECONDS
from kubefuture.protocol.messages import Done, Part, Raised
from kubefuture.worker.gathering import Gathering

from tests.runtime.clock import FakeLoop


def part(lease, start, *payloads, end=False):
    return Part(lease, start, list(payloads), 0.25, end)


@pytest.fixture
def loop():
    return FakeLoop()


@pytest.fixture
def told():
    return []


@pytest.fixture
def gathering(loop, told):
    return Gathering(loop, told.extend)


def test_R14_results_in_the_middle_of_a_lease_go_together_after_50_ms(loop, told, gathering):
    gathering.report([Done([part(1, 0, b"a", b"b")])])
    gathering.report([Done([part(2, 7, b"x")])])
    gathering.report([Done([part(1, 2, b"c")])])
    assert not told and loop.due == [GATHER_SECONDS]
    loop.step(until=10 * GATHER_SECONDS)
    assert told == [Done([Part(1, 0, [b"a", b"b", b"c"], 0.5, False), part(2, 7, b"x")])]
    gathering.flush()
    assert len(told) == 1, "and only once"


@pytest.mark.parametrize(
    "message", [Done([part(1, 1, b"b", end=True)]), Raised(1, 1, b"error", 0.1, False)], ids=["end", "error"]
)
def test_what_ends_a_lease_or_is_no_result_goes_at_once_behind_what_was_gathered(
    loop, told, gathering, message
):
    gathering.report([Done([part(1, 0, b"a")])])
    gathering.report([message])
    assert told == [Done([part(1, 0, b"a")]), message]
    loop.step(until=10 * GATHER_SECONDS)
    assert len(told) == 2
    gathering.report([Done([part(1, 2, b"c")])])
    loop.step(until=10 * GATHER_SECONDS)
    assert told[2:] == [Done([part(1, 2, b"c")])], "a part that does not follow is not joined"


def test_large_results_do_not_wait(told, gathering):
    gathering.report([Done([part(1, 0, b"a")])])
    large = bytes(GATHER_BYTES)
    gathering.report([Done([part(1, 1, large)])])
    assert told == [Done([Part(1, 0, [b"a", large], 0.5, False)])]


def test_nothing_is_told_when_there_is_nothing(loop, told, gathering):
    gathering.report([])
    gathering.flush()
    assert not told and not loop.due
