"""What runs on a worker of Dask: one chunk of a call, as one task of Dask's.

    back end ── Parcel, packed Chunk ──> run_chunk ── packed Answer ──> back end

One element runs at a time in a process, whatever number of threads that has: elements set the global random
generators, and a slot is a process that runs one (R24).
"""

from __future__ import annotations

import os
import platform
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from ..core.blobs import BlobFile, keep
from ..core.context import Element, enter_slot_element
from ..core.elements import FunctionRunner
from ..core.in_place import run_packed
from ..core.log_levels import take_on_again, without
from ..core.raised import pack_exception
from ..protocol.messages import Function, decode, encode
from .dask_modules import modules_of
from .dask_output import DaskCapture

_DASK = ("dask", "distributed", "tornado")

_one_at_a_time = threading.Lock()


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive elements of one call."""

    start: int
    payloads: list[bytes]
    retries: int


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """How the elements of a chunk ended.

    Attributes:
        payloads: The packed result or exception of each.
        raised: Which of them are exceptions, counted from the chunk's first.
        seconds: How long they ran together.
        drew: The function's name, if it drew from the global generators without a seed.
        retried: How often one of them ran again.
    """

    payloads: list[bytes]
    raised: list[int]
    seconds: float
    drew: str
    retried: int = 0


class Parcel:
    """A function. Dask keeps it on a worker, and sends it on to others.

    Args:
        function: The message that says what to call.
        path: Where the calling program finds its own modules.
        program: Another one for each program.
    """

    def __init__(self, function: Function, path: tuple[str, ...], program: str) -> None:
        self._message = encode(function)
        self._path = path
        self._program = program
        self._files: list[BlobFile] = []
        self._runner: FunctionRunner | None = None
        self._turn = 0

    def __reduce__(self) -> tuple[object, ...]:
        function = decode(self._message)
        assert isinstance(function, Function)
        return Parcel, (function, self._path, self._program)

    def runner(self, contents: Sequence[bytes]) -> FunctionRunner:
        """Runs its elements; made once for a program in a process, since unpacking takes time and large data memory.

        Args:
            contents: Its blobs' bytes, in their order.
        """
        turn = modules_of.begin(self._program, self._path)
        if self._runner is None or turn != self._turn:
            self._turn = turn
            set_dask_apart()
            function = decode(self._message)
            assert isinstance(function, Function)
            self._files = [keep([memoryview(content)]) for content in contents]
            blobs = tuple(file.blob for file in self._files)
            self._runner = FunctionRunner(msgspec.structs.replace(function, blobs=blobs), take_on_again)
        return self._runner


class _Apart(random.Random):
    """Stands in for the module `random`."""

    Random = random.Random


_apart = _Apart()


def set_dask_apart() -> None:
    """Gives Dask a generator of its own: it draws from Python's global one, at any time, in threads of its own.

    Elements with a seed would see other numbers then (R24), and the others be taken for drawing without one (R25).
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _DASK and getattr(module, "random", None) is random:
            module.random = _apart  # type: ignore[attr-defined]


def run_chunk(parcel: Parcel, packed: bytes, *contents: bytes) -> bytes:
    """Runs a packed Chunk, and returns a packed Answer. What the user's code raises is in it.

    Args:
        parcel: What it calls.
        packed: The chunk.
        contents: The bytes of the blobs that the function refers to, in their order.
    """
    chunk = msgspec.msgpack.decode(packed, type=Chunk)
    payloads: list[bytes] = []
    raised: list[int] = []
    drew, retried = "", 0
    process = os.getpid()

    def again() -> None:
        nonlocal retried
        retried += 1
        capture.clear()

    here = f"in worker process {process} on {platform.node()}"
    with _one_at_a_time, _inside():
        started = time.monotonic()
        runner = parcel.runner(contents)
        capture = DaskCapture(runner.level, without(runner.levels, _DASK))
        for index, payload in enumerate(chunk.payloads, chunk.start):
            try:
                with capture.hearing():
                    outcome, unseeded = run_packed(runner, index, payload, chunk.retries, here, again)
            except BaseException as error:  # not even a KeyboardInterrupt of the user's is Dask's business
                payloads.append(capture.over(pack_exception(error, runner.place(payload, here))))
                raised.append(index - chunk.start)
                continue
            if os.getpid() != process:  # the user's code forked, and this is no worker of Dask's
                os._exit(outcome.raised)
            payloads.append(capture.over(outcome.payload))
            if outcome.raised:
                raised.append(index - chunk.start)
            drew = runner.name if unseeded else drew
        seconds = time.monotonic() - started
    return msgspec.msgpack.encode(Answer(payloads, raised, seconds, drew, retried))


@contextmanager
def _inside() -> Iterator[None]:
    """Threads that an element starts are inside it, too."""
    enter_slot_element(Element())
    try:
        yield
    finally:
        enter_slot_element(None)
