"""What slots print: passed on unchanged, and the end of it remembered for when one dies (R19).

    slot ══ pipes ══> event loop ── the last lines ── queue ──> a thread ──> our stdout and stderr, or the log

A terminal or a log that takes nothing for a while stops neither the loop nor what it schedules. The pipes
fill up then, and slots that print wait, as they would without us.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from queue import SimpleQueue

from ..core.settings import OUTPUT_BYTES, OUTPUT_LINES

_READ = 1 << 16
_QUEUED = 64
"""So many reads wait to be written before no more is read."""

_DRAIN_READS = 16
"""A dead slot's pipe holds no more than so many reads, unless something that it started writes on."""

_PAUSE_SECONDS = 0.05
_CLOSE_SECONDS = 1.0


class Outlet:
    """Where the output of several slots goes.

    Args:
        loop: Reads what they print, in its thread; call everything here there.
        stdout: The descriptor that their stdout goes to.
        stderr: The same for their stderr.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stdout: int, stderr: int) -> None:
        self.loop = loop
        self.stdout = stdout
        self.stderr = stderr
        self.pipes: set[_Pipe] = set()
        self._queue: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def full(self) -> bool:
        """Whether what was read is not taken at the moment."""
        return self._queue.qsize() >= _QUEUED

    def write(self, target: int, content: bytes) -> None:
        """Writes to a descriptor, soon."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name="kubefuture-output", daemon=True)
            self._thread.start()
        self._queue.put((target, content))

    def close(self) -> None:
        """Passes on what there is, and ends."""
        for pipe in list(self.pipes):
            pipe.drain()
            pipe.close()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_CLOSE_SECONDS)
            self._thread = None

    def _main(self) -> None:
        while (item := self._queue.get()) is not None:
            _write(*item)


class SlotOutput:
    """What one slot prints. As a context it has the ends that are given to the slot.

    Args:
        outlet: Where that goes.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._tail = b""
        self._pipes = [_Pipe(outlet, outlet.stdout, self._remember)]
        if outlet.stderr != outlet.stdout:
            self._pipes.append(_Pipe(outlet, outlet.stderr, self._remember))
        self.stdout = self._pipes[0].end
        self.stderr = self._pipes[-1].end

    def __enter__(self) -> SlotOutput:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            os.close(pipe.end)

    def drain(self) -> None:
        """The slot is dead: reads what it had printed. Processes that it has left may go on printing."""
        for pipe in self._pipes:
            pipe.drain()

    @property
    def last_lines(self) -> str:
        """The last lines that it printed, of both streams."""
        return "\n".join(self._tail.decode(errors="replace").splitlines()[-OUTPUT_LINES:])

    def _remember(self, content: bytes) -> None:
        self._tail = (self._tail + content)[-OUTPUT_BYTES:]


class _Pipe:
    """One stream of a slot.

    Attributes:
        end: What the slot writes to.
    """

    def __init__(self, outlet: Outlet, target: int, remember: Callable[[bytes], None]) -> None:
        self._outlet = outlet
        self._target = target
        self._remember = remember
        self._handle, self.end = os.pipe()
        self._closed = False
        os.set_blocking(self._handle, False)
        outlet.pipes.add(self)
        outlet.loop.add_reader(self._handle, self._readable)

    def drain(self) -> None:
        for _ in range(_DRAIN_READS):
            if self._closed or not self._read():
                return

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._outlet.pipes.discard(self)
            self._outlet.loop.remove_reader(self._handle)
            os.close(self._handle)

    def _readable(self) -> None:
        if self._outlet.full:
            self._outlet.loop.remove_reader(self._handle)
            self._outlet.loop.call_later(_PAUSE_SECONDS, self._resume)
        else:
            self._read()

    def _resume(self) -> None:
        if not self._closed:
            self._outlet.loop.add_reader(self._handle, self._readable)

    def _read(self) -> bool:
        """Reads once, and returns whether there was anything."""
        try:
            content = os.read(self._handle, _READ)
        except BlockingIOError:
            return False
        if not content:
            self.close()
            return False
        self._remember(content)
        self._outlet.write(self._target, content)
        return True


def _write(target: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:
            select.select([], [target], [])
        except OSError:
            return  # nobody reads it any more
