"""Leases whose slot cannot run them yet, since captured data of their functions is still on its way (R26).

They have not been started: others pass them, they can be taken back at any time, and waiting for them costs
no element its time limit. Functions that refer to blobs are kept here until a lease of theirs can run. When
the last lease of one was taken back nobody waits for its data any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from ..protocol.messages import Bind, Function, Lease, Run
from .blob_cache import BlobCache


class HeldBack:
    """What waits, by slot.

    Args:
        cache: The worker's blobs; None where slots can map all of them at once.
    """

    def __init__(self, cache: BlobCache | None) -> None:
        self._cache = cache
        self._waiting: defaultdict[int, list[Lease]] = defaultdict(list)
        self._functions: defaultdict[int, dict[int, Function]] = defaultdict(dict)
        self._given: defaultdict[int, set[int]] = defaultdict(set)

    def bound(self, message: Bind) -> None:
        """A slot is given to a session."""
        if self._cache is not None:
            self._cache.bound(message.slot, message.session)

    def run(self, message: Run) -> Run:
        """What is to be passed on to a slot now; the rest waits."""
        if self._cache is None:
            return message
        slot = message.slot
        for number in message.forget:
            self._functions[slot].pop(number, None)
            self._given[slot].discard(number)
        self._cache.release(slot, message.forget)
        plain = [function for function in message.functions if not function.blobs]
        if len(plain) == len(message.functions) and not self._functions[slot]:
            return message
        self._functions[slot].update(
            (function.id, function) for function in message.functions if function.blobs
        )
        functions, leases = self._ready(slot, message.leases)
        return Run(slot, [*plain, *functions], message.forget, leases)

    def released(self) -> list[Run]:
        """What can be passed on since blobs have arrived, or cannot be had."""
        if self._cache is None:
            return []
        found: list[Run] = []
        for slot in [slot for slot, waiting in self._waiting.items() if waiting]:
            functions, leases = self._ready(slot, self._waiting.pop(slot))
            if leases:
                found.append(Run(slot, functions, [], leases))
        waiting = (
            self._functions[slot][lease.function] for slot in self._waiting for lease in self._waiting[slot]
        )
        self._cache.settled({blob.digest for function in waiting for blob in function.blobs})
        return found

    def revoke(self, slot: int, wanted: Collection[int]) -> tuple[int, ...]:
        """Takes leases back that wait."""
        waiting = self._waiting.get(slot)
        if not waiting or self._cache is None:
            return ()
        kept = [lease for lease in waiting if lease.id not in wanted]
        back = tuple(lease.id for lease in waiting if lease.id in wanted)
        self._waiting[slot] = kept
        needed = {lease.function for lease in kept} | self._given[slot]
        self._cache.release(slot, self._functions[slot].keys() - needed)
        return back

    def forget(self, slot: int) -> None:
        """A slot's process has ended."""
        for known in (self._waiting, self._functions, self._given):
            known.pop(slot, None)
        if self._cache is not None:
            self._cache.release(slot)

    def _ready(self, slot: int, leases: Iterable[Lease]) -> tuple[list[Function], list[Lease]]:
        """Those leases that can run, with what they need; the others wait."""
        assert self._cache is not None
        kept, asked = self._functions[slot], dict[int, Function | None]()
        ready: list[Lease] = []
        for lease in leases:
            number = lease.function
            if number in kept and number not in asked:
                asked[number] = self._cache.prepare(slot, kept[number])
            missing = number in asked and asked[number] is None
            (self._waiting[slot] if missing else ready).append(lease)
        found = {number: function for number, function in asked.items() if function is not None}
        for number in found:
            del kept[number]
            self._given[slot].add(number)
        return list(found.values()), ready
