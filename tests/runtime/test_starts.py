"""Slots that cannot be started for a long time are there soon after they can."""

from __future__ import annotations

import asyncio
import os

import pytest
from kubefuture.worker import slot_set
from kubefuture.worker.slot_set import SlotSet

from tests.faults.waiting import LIMIT


def test_R17_a_slot_that_could_not_be_started_for_hours_is_there_when_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[str] = []
    start, few = slot_set.SlotProcess, 3

    def broken(*arguments: object, **more: object) -> object:
        if len(tries) < few:
            raise OSError(12, "Cannot allocate memory")
        return start(*arguments, **more)  # type: ignore[arg-type]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        slots = SlotSet(
            loop, environment=dict(os.environ), report=lambda messages: None, trouble=tries.append, output=2
        )
        slots._failures = 1023  # the next power of two is no number any more
        slots.start(0)
        async with asyncio.timeout(LIMIT):
            while not slots.ready:
                await asyncio.sleep(0.01)
        slots.close()
        slots.reap()

    monkeypatch.setattr(slot_set, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(slot_set, "SlotProcess", broken)
    asyncio.run(run())
    assert len(tries) == few and "Cannot allocate memory" in tries[0]
