"""Workers whose pods are gone for good: nobody waits for them to come back (R7)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from .expecting import Expected
from .party import Party

_LOOK_PAUSE = 1.0


async def look_for(
    expected: Expected, absent: Callable[[], Sequence[Party]], exists: Callable[[str], bool]
) -> None:
    """Asks for the pods of workers that are missing, for ever; those that finish what they run are waited for.

    Args:
        expected: Workers that the scheduler before this one had.
        absent: Who was connected to this one, and is not.
        exists: Whether there is a pod of this name; takes seconds.
    """
    while True:
        for identity, host in expected.missing(time.monotonic()).items():
            if not await asyncio.to_thread(exists, host):
                expected.gone(identity)
        for party in absent():
            if party.hello.role == "worker" and not await asyncio.to_thread(exists, party.hello.host):
                party.is_gone = True
        await asyncio.sleep(_LOOK_PAUSE)
