"""Many workers that run nothing: each a process and a TLS connection of its own, which speaks the worker's protocol.

nursery ── forks ──> 1,000 processes, each ══ TLS ══> scheduler: Hello, SlotReady;  Run ──> Done

They are forked from a process that has imported everything, so that each needs a few MiB of its own.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Semaphore
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

PATIENCE = 180.0
"""Seconds until all of them are up, at most."""

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


@contextmanager
def running(connection: Path, workers: int) -> Iterator[None]:
    """So many workers are connected while the block runs.

    Args:
        connection: The connection file.
        workers: How many.

    Raises:
        RuntimeError: They do not come up.
    """
    ours, theirs = multiprocessing.Pipe()
    nursery = multiprocessing.get_context("spawn").Process(
        target=_raise_all, args=(theirs, str(connection), workers)
    )
    nursery.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE) or ours.recv() != workers:
            raise RuntimeError(f"{workers} workers did not come up")
        yield
    finally:
        ours.close()  # which each of them notices
        nursery.join(PATIENCE)
        nursery.kill()


def _raise_all(pipe: Pipe, path: str, workers: int) -> None:
    """Forks the workers, says when all are there, and waits until all have ended."""
    connection, result = Connection.load(Path(path)), pack_result(0)
    places = multiprocessing.Semaphore(AT_ONCE)
    ready, ready_end = os.pipe()
    gc.freeze()
    children = []
    for number in range(workers):
        child = os.fork()
        if child == 0:
            _live(pipe, FakeWorker(number, result), connection, places, ready_end)
        children.append(child)
    os.close(ready_end)
    there = 0
    while there < workers and (arrived := os.read(ready, workers)):
        there += len(arrived)
    if there == workers:
        pipe.send(workers)
    else:
        pipe.close()
    for child in children:
        os.waitpid(child, 0)


def _live(pipe: Pipe, worker: FakeWorker, connection: Connection, places: Semaphore, ready: int) -> None:
    """The life of a forked worker; does not return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        uvloop.run(_work(pipe, worker, connection, places, ready))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


async def _work(
    pipe: Pipe, worker: FakeWorker, connection: Connection, places: Semaphore, ready: int
) -> None:
    with places:
        await worker.join(connection)
    os.write(ready, b"!")
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), ended.set)
    await ended.wait()
