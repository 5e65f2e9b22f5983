"""Many workers that run nothing: each a process and a TLS connection of its own, which speaks the worker's protocol.

nursery ── forks ──> 1,000 processes, each ══ TLS ══> scheduler: Hello, SlotReady;  Run ──> Done

They are forked from a process that has imported everything, so that each needs a few MiB of its own. They end with the
nursery, or with the scheduler.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Semaphore
from pathlib import Path

from kubefuture.core.certificate import SERVER_NAME, client_context
from kubefuture.core.connection import Connection
from kubefuture.core.identity import hello
from kubefuture.core.packing import pack_result
from kubefuture.core.settings import SIGN_SECONDS
from kubefuture.protocol.auth import ClientLogin
from kubefuture.protocol.conversation import Conversation
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.messages import (
    Ack,
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

_READ_BYTES = 1 << 16


class FakeWorker:
    """A worker with one slot whose tasks all have the same result, at once.

    Args:
        number: Stands for the process of its slot.
        connection: To the scheduler.
        result: Of each task, packed.
    """

    def __init__(self, number: int, connection: Connection, result: bytes) -> None:
        self._number = number
        self._result = result
        self._conversation = Conversation()
        self._decoder = Decoder()
        login = ClientLogin(connection.key)
        context = client_context(connection.certificate)
        plain = socket.create_connection(connection.host_and_port, timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname=SERVER_NAME)
        while not login.finished():
            self._socket.sendall(login.feed(self._socket.recv(_READ_BYTES)))
        self._socket.settimeout(None)
        self._socket.sendall(frame([hello("worker", slots=[0])]))
        self._take(login.rest)

    def work(self) -> None:
        """Answers until the scheduler ends, and gives a sign of life when there is nothing to answer."""
        self._socket.settimeout(SIGN_SECONDS)
        while True:
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                self._socket.sendall(frame([Ack(self._conversation.vouched)]))
                continue
            if not data:
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        messages = self._decoder.feed(data)
        if messages:
            answers = self._answers(messages)
            self._conversation.vouched = self._conversation.received
            if told := self._conversation.write(answers):
                self._socket.sendall(frame(told))

    def _answers(self, messages: list[AnyMessage]) -> list[Message]:
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
        return answers


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
        ours.close()
        nursery.join(PATIENCE)
        nursery.kill()


def _raise_all(pipe: Pipe, path: str, workers: int) -> None:
    """Forks the workers, says when all are there, and ends them when nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, result = Connection.load(Path(path)), pack_result(0)
    places = multiprocessing.Semaphore(AT_ONCE)
    ready, ready_end = os.pipe()
    gc.freeze()
    children = []
    for number in range(workers):
        child = os.fork()
        if child == 0:
            pipe.close()
            _live(number, connection, result, places, ready_end)
        children.append(child)
    os.close(ready_end)
    there = 0
    while there < workers and (arrived := os.read(ready, workers)):
        there += len(arrived)
    with suppress(OSError, EOFError):
        pipe.send(there)
        pipe.recv()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _live(number: int, connection: Connection, result: bytes, places: Semaphore, ready: int) -> None:
    """The life of a forked worker; does not return."""
    try:
        with places:
            worker = FakeWorker(number, connection, result)
        os.write(ready, b"!")
        os.close(ready)
        worker.work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
