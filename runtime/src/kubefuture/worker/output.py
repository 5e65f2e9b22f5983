"""What slots print, seen from their supervisor, for when one dies (R19).

    slot ══ files ══> the slot itself, after each element ──> the element's outcome
              ╚═════> supervisor, when it is dead ── queue ──> a thread ──> our stdout and stderr, or the log

There are three: its stdout, its stderr, and one with its warnings and log records as lines, which goes with stderr.

A terminal or a log that takes nothing for a while stops neither the loop nor what it schedules.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue

from ..core.settings import OUTPUT_BYTES, OUTPUT_LINES
from ..core.streams import is_alone, look, make_stream, own_view, squeeze, take

_QUEUED = 16
"""So many reads, of about a MiB at most, wait to be written before no more is read."""

_LEFT = 16
"""So many dead slots' output is still looked at."""

_CLOSE_SECONDS = 1.0


class Outlet:
    """Where the output of several slots goes.

    Args:
        stdout: The descriptor that their stdout goes to.
        stderr: The same for their stderr.
    """

    def __init__(self, stdout: int, stderr: int) -> None:
        self.targets = stdout, stderr
        self._left: deque[SlotOutput] = deque()
        self._queue: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def full(self) -> bool:
        """Whether what was read is not taken at the moment."""
        return self._queue.qsize() >= _QUEUED

    def write(self, target: int, content: bytes) -> None:
        """Writes to a descriptor, soon."""
        self._queue.put((target, content))
        if self._thread is None:
            thread = threading.Thread(target=self._main, name="kubefuture-output", daemon=True)
            # If no more threads may be started now, it is tried again with the next words.
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def keep(self, output: SlotOutput) -> None:
        """A slot is dead, and what it has left behind may print."""
        self._left.append(output)
        if len(self._left) > _LEFT:
            oldest = self._left.popleft()
            oldest.pass_on()
            oldest.close()

    def look(self) -> None:
        """Passes on what was printed by processes that dead slots have left, as long as there are any."""
        for left in list(self._left):
            alone = left.is_alone  # before its last words are read
            left.pass_on()
            if alone and not self.full:
                self._left.remove(left)
                left.close()

    def close(self) -> None:
        """Passes on what there is, and ends."""
        while self._left:
            left = self._left.popleft()
            left.pass_on()
            left.close()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_CLOSE_SECONDS)
            self._thread = None

    def _main(self) -> None:
        while (item := self._queue.get()) is not None:
            _write(*item)


class SlotOutput:
    """What one slot prints, warns and logs: three files, which it empties itself after each element.

    Args:
        outlet: Where that goes which no element's outcome takes along.

    Attributes:
        stdout: The descriptor to give to the slot.
        stderr: The same.
        lines: The same for the lines of its warnings and log records.
        last_lines: The last lines that it printed on its element, of both streams; known after `drain`.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.last_lines = ""
        self._rest = b"", b""
        made: list[int] = []
        try:
            for _ in range(3):
                made.append(make_stream())
                made.append(own_view(made[-1]))
        except BaseException:  # there are no descriptors left
            for handle in made:
                os.close(handle)
            raise
        self.stdout, first, self.stderr, second, self.lines, self._lines_view = made
        self._views: tuple[int, ...] = (first, second)

    def __enter__(self) -> SlotOutput:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for handle in (self.stdout, self.stderr, self.lines):
            os.close(handle)
        if kind is not None:
            self.close()

    def squeeze(self) -> None:
        """Keeps what is there short, while an element prints on."""
        for view in self._views:
            squeeze(view)

    def peek(self, stream: int, start: int, most: int) -> bytes:
        """What is in a stream from `start` on; 0 is stdout, 1 stderr."""
        return os.pread(self._views[stream], most, start) if self._views and most > 0 else b""

    def drain(self) -> None:
        """The slot is dead: takes what it had printed on its element. Processes that it has left may go on."""
        if not self._views:
            return
        lines = self._take_lines()
        stdout, stderr = (look(view, OUTPUT_BYTES) for view in self._views)
        tail = b"\n".join(part.rstrip(b"\n") for part in (stdout, lines, stderr)).strip(b"\n")
        self.last_lines = "\n".join(
            tail[-OUTPUT_BYTES:].decode(errors="replace").splitlines()[-OUTPUT_LINES:]
        )
        self._rest = take(self._views[0]), lines + take(self._views[1])
        self._outlet.keep(self)

    def claim(self) -> tuple[bytes, bytes]:
        """What `drain` took belongs to an element's outcome, and is not to be passed on."""
        rest, self._rest = self._rest, (b"", b"")
        return rest

    def pass_on(self) -> None:
        """Passes on what is there, unless what was passed on before is not taken."""
        more = (b"", b"") if self._outlet.full or not self._views else tuple(map(take, self._views))
        for before, content, target in zip(self.claim(), more, self._outlet.targets, strict=True):
            if before or content:
                self._outlet.write(target, before + content)

    @property
    def is_alone(self) -> bool:
        """Whether nobody can print to it any more, as far as can be told."""
        return all(map(is_alone, self._views))

    def close(self) -> None:
        """Nobody prints to it any more, or is heard."""
        self._take_lines()
        views, self._views = self._views, ()
        for view in views:
            os.close(view)

    def _take_lines(self) -> bytes:
        """The warnings and log records that no outcome took along. Only the slot itself adds to them, so once."""
        view, self._lines_view = self._lines_view, -1
        if view < 0:
            return b""
        try:
            return take(view)
        finally:
            os.close(view)


def _write(target: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:
            select.select([], [target], [])
        except OSError:
            return  # nobody reads it any more
