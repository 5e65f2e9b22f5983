"""Many workers in one process: each a connection of its own that speaks the worker's protocol and runs nothing.

scheduler ══ TLS ══> 500 connections, each: Hello, SlotReady;  Run ──> Done
"""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import uvloop
from kubefuture.core.connection import Connection
from kubefuture.core.identity import hello
from kubefuture.core.link import Link, connect
from kubefuture.core.packing import pack_result
from kubefuture.protocol.conversation import Conversation
from kubefuture.protocol.messages import (
    AnyMessage,
    Done,
    Holding,
    Message,
    Part,
    RetireSlot,
    Run,
    SlotLost,
    SlotReady,
    Welcome,
)

AT_ONCE = 8
"""So many log in at the same time: a scheduler has few places for those it does not know yet."""

_SECONDS = 0.001
"""How long each task is said to have taken."""


class FakeWorker:
    """A worker with one slot whose tasks all have the same result, at once."""

    def __init__(self, number: int, result: bytes) -> None:
        self._number = number
        self._result = result
        self._conversation = Conversation()
        self._link: Link | None = None

    async def join(self, connection: Connection) -> None:
        """Connects, logs in and says that its slot is ready."""
        self._link = await connect(connection, self._handle)
        self._link.send([hello("worker", slots=[0])])

    def _handle(self, messages: list[AnyMessage]) -> None:
        answers: list[Message] = []
        if isinstance(messages[0], Welcome):
            answers += [Holding([]), SlotReady(0, self._number)]
            messages = messages[1:]
        for message in self._conversation.receive(messages):
            if isinstance(message, Run):
                parts = [
                    Part(lease.id, lease.start, [self._result] * len(lease.payloads), _SECONDS, True)
                    for lease in message.leases
                ]
                answers.append(Done(parts))
            elif isinstance(message, RetireSlot):
                answers.append(SlotLost(message.slot, 0, -1, "retired", True, gone=True))
        self._conversation.vouched = self._conversation.received
        self._conversation.send(answers)
        acknowledgement = self._conversation.acknowledgement()
        if acknowledgement is not None:
            answers.append(acknowledgement)
        if answers and self._link is not None:
            self._link.send(answers)


def run(pipe: Pipe, connection: str, first: int, workers: int) -> None:
    """Brings so many workers up, says so, and works until it is told to end.

    Args:
        pipe: To whoever asked.
        connection: The connection file.
        first: Number of the first one.
        workers: How many.
    """
    uvloop.run(_run(pipe, Connection.load(Path(connection)), range(first, first + workers)))


async def _run(pipe: Pipe, connection: Connection, numbers: range) -> None:
    result = pack_result(0)
    places = asyncio.Semaphore(AT_ONCE)

    async def join(number: int) -> FakeWorker:
        worker = FakeWorker(number, result)
        async with places:
            await worker.join(connection)
        return worker

    workers = await asyncio.gather(*(join(number) for number in numbers))
    pipe.send(len(workers))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), ended.set)
    await ended.wait()
