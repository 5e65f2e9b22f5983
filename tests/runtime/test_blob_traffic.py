"""Where the scheduler has blobs from (R10, R26, R29)."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from kubefuture.core.settings import BLOB_PATIENCE
from kubefuture.machine.machine import Machine
from kubefuture.protocol.messages import BlobRefused, BlobWanted, Function, KeepBlob, Message
from kubefuture.scheduler import blob_traffic
from kubefuture.scheduler.blob_traffic import BlobTraffic
from kubefuture.scheduler.party import Party

from tests.faults.waiting import LIMIT
from tests.runtime.driver import hello

CONTENT = bytes(64 << 20)
DIGEST = hashlib.sha256(CONTENT).digest()


class Client:
    """As the traffic knows one."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.hello = hello("client", name)
        self.peer: object = SimpleNamespace(lane=None)
        self.since = 0.0
        self.told: list[Message] = []

    def tell(self, messages: list[Message]) -> None:
        self.told += messages

    send = tell

    def has(self, kind: type[Message]) -> bool:
        return any(isinstance(message, kind) for message in self.told)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(0.01)


def two_keep(folder: Path, check: Callable[[BlobTraffic, Client, Client], Awaitable[None]]) -> None:
    """Two clients want the same blob kept; the first one is asked for it."""

    async def run() -> None:
        machine = Machine(hello("scheduler"), now=0.0)
        traffic = blob_traffic.blob_traffic(folder, machine, lambda line: None)
        first, second = Client(2, "first"), Client(3, "second")
        for one in (first, second):
            machine.connected(one.number, one.hello, 0.0)
            traffic.joined(cast(Party, one))
            machine.received(one.number, Function(1, b"packed"), 0.0)
            traffic.keep(cast(Party, one), KeepBlob(DIGEST, len(CONTENT)))
        await until(lambda: first.has(BlobWanted))
        assert not second.has(BlobWanted)
        await check(traffic, first, second)
        traffic.close()

    asyncio.run(run())


def test_R10_a_blob_whose_client_is_away_comes_from_another_one_that_wants_it_kept(tmp_path: Path) -> None:
    async def check(traffic: BlobTraffic, first: Client, second: Client) -> None:
        first.peer, first.since = None, time.monotonic() - 2 * BLOB_PATIENCE
        traffic.collect(time.monotonic())
        await until(lambda: second.has(BlobWanted))

    two_keep(tmp_path, check)


def test_R10_a_blob_whose_client_has_left_comes_from_another_one_that_wants_it_kept(tmp_path: Path) -> None:
    async def check(traffic: BlobTraffic, first: Client, second: Client) -> None:
        traffic.left(cast(Party, first))
        await until(lambda: second.has(BlobWanted))
        assert not second.has(BlobRefused)

    two_keep(tmp_path, check)
