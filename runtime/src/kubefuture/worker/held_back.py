"""Leases whose slot cannot run them yet, since captured data of their functions is still on its way (R26).

They have not been started: they can be taken back at any time, and waiting for them costs no element its
time limit.
"""

from __future__ import annotations

from collections import deque

import msgspec

from ..protocol.messages import Function, Run
from .blob_cache import BlobCache


class HeldBack:
    """What waits, by slot, in order.

    Args:
        cache: The worker's blobs; None where slots can map all of them at once.
    """

    def __init__(self, cache: BlobCache | None) -> None:
        self._cache = cache
        self._waiting: dict[int, deque[Run]] = {}

    def run(self, message: Run) -> Run | None:
        """What is to be passed on to a slot now; None if it has to wait."""
        if self._cache is None:
            return message
        if message.slot not in self._waiting:
            ready = self._ready(message)
            if ready is not None:
                return ready
            self._waiting[message.slot] = deque()
        self._waiting[message.slot].append(message)
        return None

    def released(self) -> list[Run]:
        """What can be passed on since blobs have arrived, or cannot be had."""
        if self._cache is None:
            return []
        found: list[Run] = []
        for slot, waiting in list(self._waiting.items()):
            while waiting and (ready := self._ready(waiting[0])) is not None:
                found.append(ready)
                waiting.popleft()
            if not waiting:
                del self._waiting[slot]
        self._cache.settled()
        return found

    def revoke(self, slot: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Takes leases back that wait."""
        waiting = self._waiting.get(slot)
        if waiting is None:
            return ()
        back: list[int] = []
        for position, message in enumerate(waiting):
            back += [lease.id for lease in message.leases if lease.id in wanted]
            kept = [lease for lease in message.leases if lease.id not in wanted]
            waiting[position] = msgspec.structs.replace(message, leases=kept)
        return tuple(back)

    def forget(self, slot: int) -> None:
        """A slot's process has ended."""
        self._waiting.pop(slot, None)
        if self._cache is not None:
            self._cache.release(slot)

    def _ready(self, message: Run) -> Run | None:
        assert self._cache is not None
        if message.forget:
            self._cache.release(message.slot, message.forget)
        functions: list[Function] = []
        missing = False
        for function in message.functions:
            found = self._cache.prepare(message.slot, function) if function.blobs else function
            if found is None:
                missing = True  # the others are asked for at the same time
            else:
                functions.append(found)
        return None if missing else msgspec.structs.replace(message, functions=functions)
