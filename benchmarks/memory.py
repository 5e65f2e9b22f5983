"""How many bytes does the scheduler need for what is queued, its payload not counted?

A fresh process hosts the machine alone and takes messages as a scheduler does, decoded from frames. A payload's own
length is subtracted, what Python needs to keep it is not. The peer is the standard library's executor, in the process
that submits.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection

from kubefuture.machine.machine import Machine
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.messages import (
    PROTOCOL,
    AnyMessage,
    Elements,
    Environment,
    Function,
    Hello,
    Message,
    Open,
    Task,
    Tasks,
)

from .contenders import plus_one
from .measurement import Row, in_turns, ratios

QUEUED = 100_000
ELEMENT_BAR, FUTURE_BAR = 64.0, 500.0
_CLIENT = 1
_BATCH = 1000
_PAYLOAD = bytes(8)


def elements() -> Iterator[Message]:
    """One map."""
    yield Open(1, 1, QUEUED)
    for start in range(0, QUEUED, _BATCH):
        yield Elements(1, [_PAYLOAD] * _BATCH, start + _BATCH == QUEUED)


def futures() -> Iterator[Message]:
    """Single futures."""
    for start in range(1, QUEUED + 1, _BATCH):
        yield Tasks([Task(call, 1, _PAYLOAD) for call in range(start, start + _BATCH)])


def in_machine(messages: Callable[[], Iterator[Message]]) -> float:
    """Bytes that each needs in a machine without workers."""
    machine = Machine(_hello("scheduler"), now=time.monotonic())
    machine.connected(_CLIENT, _hello("client"), time.monotonic())
    machine.received(_CLIENT, Function(1, b""), time.monotonic())
    decoder = Decoder()

    def take(message: Message) -> None:
        received: list[AnyMessage] = decoder.feed(frame([message]))
        for each in received:
            machine.received(_CLIENT, each, time.monotonic())
        machine.take()

    take(Open(2**20, 1, _BATCH))  # what the first messages make the interpreter allocate for good
    take(Elements(2**20, [_PAYLOAD] * _BATCH, True))
    before = resident_bytes()
    for message in messages():
        take(message)
    return (resident_bytes() - before) / QUEUED - len(_PAYLOAD)


def in_executor() -> float:
    """Bytes that each future needs in a program with a ProcessPoolExecutor whose one worker is busy."""
    with ProcessPoolExecutor(1) as pool:
        blocked = pool.submit(time.sleep, 60.0)
        pool.submit(plus_one, 0)
        before = resident_bytes()
        queued = [pool.submit(plus_one, 0) for _ in range(QUEUED)]
        needed = (resident_bytes() - before) / len(queued)
        for process in pool._processes.values():
            process.kill()
        threading.Thread(target=blocked.exception).start()
    return needed


def resident_bytes() -> int:
    """What this process has in memory."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc gives back what is free; elsewhere that counts as in use
        ctypes.CDLL(None).malloc_trim(0)
    return 1024 * int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())]))


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    measured = in_turns(
        {
            "element": partial(_in_fresh_process, partial(in_machine, elements)),
            "future": partial(_in_fresh_process, partial(in_machine, futures)),
            "executor": partial(_in_fresh_process, in_executor),
        },
        1 if quick else 5,
    )
    peer = f"ProcessPoolExecutor {_text(measured['executor'])}"
    futures_text = _text(measured["future"])
    return [
        Row(
            "a queued map element",
            _text(measured["element"]),
            "",
            measured["element"],
            ELEMENT_BAR,
            unit=" B",
        ),
        Row("a queued future", futures_text, "", measured["future"], FUTURE_BAR, unit=" B"),
        Row("a queued future", futures_text, peer, ratios(measured["future"], measured["executor"])),
    ]


def _in_fresh_process(measure: Callable[[], float]) -> float:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, measure))
    process.start()
    measured: float = ours.recv()
    process.join()
    return measured


def _measure(pipe: Connection, measure: Callable[[], float]) -> None:
    pipe.send(measure())


def _hello(role: str) -> Hello:
    return Hello(role, PROTOCOL, role, "", 1, Environment(python=""))


def _text(measured: list[float]) -> str:
    return f"{statistics.median(measured):.0f} B"
