"""A journal in tests: what it holds as plain data, the same computed without it, and records to fill it with."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubefuture.machine.records import (
    ElementsAccepted,
    FailureRecorded,
    MapAccepted,
    MapCancelled,
    MapForgotten,
    Record,
    ResultsRecorded,
    SessionOpened,
    TroubleCounted,
)
from kubefuture.protocol.messages import Failure, Function, Span
from kubefuture.scheduler.journal import Journal

from tests.faults.waiting import LIMIT

SESSION = SessionOpened("session-1", ("/here", "/there"), "/work")


class Committed:
    """Is told what is committed, and waits for it."""

    def __init__(self) -> None:
        self.sequence = 0
        self.times = 0
        self._changed = threading.Condition()

    def __call__(self, sequence: int) -> None:
        with self._changed:
            assert sequence > self.sequence
            self.sequence = sequence
            self.times += 1
            self._changed.notify_all()

    def wait(self, sequence: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.sequence >= sequence, LIMIT), "it was not committed"


def accepted(key: int, name: str = "", function: bytes = b"packed") -> MapAccepted:
    """A map."""
    return MapAccepted(
        key, name or f"map-{key}", SESSION.identity, 40 + key, Function(3, function, True), "main.f", "17", -1,
        0, 2, 1700000000.25,
    )  # fmt: skip


def opened(folder: Path, **options: Any) -> Journal:
    """A journal whose log nobody reads."""
    return Journal.open(folder, lambda line: None, **options)


def written(folder: Path, batches: list[list[Record]]) -> None:
    """Makes or continues a journal, and closes it."""
    journal = opened(folder)
    for batch in batches:
        journal.append(batch)
    journal.close()


def content(journal: Journal) -> dict[str, Any]:
    """Everything that a journal which is not started holds."""
    maps = {}
    for stored in journal.restored():
        key = stored.accepted.key
        maps[key] = {
            "session": stored.session,
            "accepted": stored.accepted,
            "elements": [
                (start, stop, size, journal.elements(row)) for start, stop, row, size in stored.segments
            ],
            "complete": stored.complete,
            "settled": stored.settled,
            "troubles": stored.troubles,
            "cancelled": stored.cancelled,
            "results": list(results(journal, key)),
        }
    return {"next_key": journal.next_key, "maps": maps}


def results(journal: Journal, key: int, limit_bytes: int = 1000) -> Iterator[Span | Failure]:
    """All results of a map, fetched in parts."""
    cursor = 0
    while True:
        found, after = journal.results(key, cursor, limit_bytes)
        if not found:
            assert after == cursor
            return
        assert after > cursor
        yield from found
        cursor = after


def expected(batches: list[list[Record]]) -> dict[str, Any]:
    """What `content` is to be after some batches."""
    maps: dict[int, dict[str, Any]] = {}
    sessions = {}
    settled: dict[int, set[int]] = {}
    next_key = 1
    for record in [record for batch in batches for record in batch]:
        match record:
            case SessionOpened():
                sessions[record.identity] = record
            case MapAccepted(key=key):
                next_key = key + 1
                settled[key] = set()
                maps[key] = {
                    "session": sessions[record.session], "accepted": record, "elements": [], "complete": False,
                    "settled": [], "troubles": {}, "cancelled": False, "results": [],
                }  # fmt: skip
            case ElementsAccepted(key=key, start=start, payloads=payloads, last=last):
                maps[key]["elements"].append(
                    (start, start + len(payloads), sum(map(len, payloads)), payloads)
                )
                maps[key]["complete"] |= last
            case ResultsRecorded(key=key, start=start, payloads=payloads):
                maps[key]["results"].append(Span(40 + key, start, payloads))
                settled[key].update(range(start, start + len(payloads)))
            case FailureRecorded(key=key, index=index):
                maps[key]["results"].append(Failure(40 + key, index, record.kind, record.payload))
                settled[key].add(index)
            case TroubleCounted(key=key):
                maps[key]["troubles"][record.trouble, record.index] = record.count
            case MapCancelled(key=key):
                maps[key]["cancelled"] = True
            case MapForgotten(key=key):
                del maps[key]
    for key, found in maps.items():
        found["settled"] = ranges(settled[key])
    return {"next_key": next_key, "maps": maps}


def ranges(indices: set[int]) -> list[tuple[int, int]]:
    """Merged half-open ranges."""
    starts = sorted(index for index in indices if index - 1 not in indices)
    stops = sorted(index + 1 for index in indices if index + 1 not in indices)
    return list(zip(starts, stops, strict=True))


def stream(seed: int, sizes: tuple[int, ...] = (0, 3, 50, 700, 6000)) -> Iterator[list[Record]]:
    """Batches of any kind of records, without an end and always the same for a seed."""
    draw = random.Random(seed)
    next_key = 1
    alive: dict[int, list[int]] = {}  # key to how many elements were accepted and settled

    def payloads() -> list[bytes]:
        return [draw.randbytes(draw.choice(sizes)) for _ in range(draw.randint(1, 4))]

    def record() -> list[Record]:
        nonlocal next_key
        if not alive or draw.random() < 0.04:
            key = next_key = next_key + draw.randint(0, 2)
            next_key += 1
            alive[key] = [0, 0]
            return [SESSION, accepted(key, function=draw.randbytes(draw.choice(sizes)))]
        key = draw.choice(list(alive))
        counts = alive[key]
        chance = draw.random()
        if chance < 0.35:
            packed = payloads()
            start, counts[0] = counts[0], counts[0] + len(packed)
            return [ElementsAccepted(key, start, packed, draw.random() < 0.1)]
        if chance < 0.75:
            packed = payloads()
            start = counts[1] + draw.randint(0, 1)
            counts[1] = start + len(packed)
            return [ResultsRecorded(key, start, packed)]
        if chance < 0.85:
            counts[1] += 1
            return [FailureRecorded(key, counts[1] - 1, draw.choice(["raised", "poison"]), b"why")]
        if chance < 0.94:
            trouble = draw.choice(["retry", "strike", "loss"])
            return [TroubleCounted(key, trouble, draw.randint(0, 9), draw.randint(1, 3))]
        if chance < 0.97:
            return [MapCancelled(key)]
        del alive[key]
        return [MapForgotten(key)]

    while True:
        yield [found for _ in range(draw.randint(1, 3)) for found in record()]
