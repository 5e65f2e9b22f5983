"""A worker whose pod is gone is not waited for; one whose pod is there is, for as long as any."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from kubefuture.core.identity import hello
from kubefuture.core.settings import LEASE_SECONDS
from kubefuture.scheduler import pods_gone
from kubefuture.scheduler.expecting import Expected
from kubefuture.scheduler.party import Party
from kubefuture.scheduler.peer import Peer


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(pods_gone, "_LOOK_PAUSE", 0.0)


def elsewhere(name, role="worker"):
    """What somebody in a pod says of itself."""
    return msgspec.structs.replace(hello(role), identity=name, host=f"pod-{name}", machine="another")


async def asked_of(expected, parties, there, until):
    """Looks until something holds; returns which pods were asked for."""
    asked = []

    def exists(pod):
        asked.append(pod)
        return pod in there

    looking = asyncio.create_task(pods_gone.look_for(expected, lambda: parties, exists))
    while not until(asked):
        await asyncio.sleep(0)
    looking.cancel()
    return asked


def test_R7_a_pod_that_is_gone_is_not_waited_for_and_one_that_finishes_its_work_is(tmp_path):
    path = tmp_path / "slots.workers"
    before = Expected(path, 0.0, print)
    for name in ("gone", "draining"):
        before.joined(elsewhere(name))
    now = time.monotonic()
    expected = Expected(path, now, print)
    asked = asyncio.run(asked_of(expected, [], {"pod-draining"}, lambda asked: len(asked) > 4))
    assert asked.count("pod-gone") == 1 and asked.count("pod-draining") > 1
    assert expected.waits(now)
    expected.gone("draining")
    assert not expected.waits(now)


def test_R7_a_worker_whose_pod_was_deleted_without_warning_is_given_up_at_once(tmp_path):
    def away(name, role="worker"):
        party = Party(Peer(None, 1, b""), elsewhere(name, role))
        party.leave(10.0)
        return party

    async def look():
        parties = away("gone"), away("cut"), away("laptop", "client")
        expected = Expected(tmp_path / "slots.workers", 0.0, print)
        asked = await asked_of(expected, parties, {"pod-cut"}, lambda asked: asked.count("pod-cut") > 1)
        return asked, *parties

    asked, gone, cut, client = asyncio.run(look())
    assert gone.is_over(10.0)
    assert not cut.is_over(10.0 + LEASE_SECONDS) and cut.is_over(10.1 + LEASE_SECONDS)
    assert not client.is_over(10.0) and "pod-laptop" not in asked
