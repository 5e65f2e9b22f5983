"""One slot seen from its supervisor: starts it, feeds it, notices its death."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from ..core.channel import Channel
from ..core.printed import Printed
from ..core.receiver import Receiver
from ..core.settings import MAX_CREDITS
from ..errors import ProtocolError
from ..protocol.framing import Decoder, frame
from ..protocol.messages import AnyMessage, Bind, Lease, PrintedLease, Run
from .lease_record import RECORD_BYTES, pack_record, unpack_record
from .limits import Overrun, Stopwatch
from .live import LiveOutput
from .output import Outlet, SlotOutput
from .page import MemoryPage, Page

_BOOTSTRAP = "import sys; sys.path.insert(0, {path!r}); from kubefuture.worker.slot import main; main()"
_CAN_LOOK = hasattr(os, "waitid")
"""Whether a child's end can be seen without taking it from the kernel."""

_SOURCE = str(Path(__file__).resolve().parents[2])


class SlotProcess:
    """A slot's process and its sockets.

    Args:
        loop: Where its sockets are watched.
        environment: The process's environment.
        outlet: Where its stdout and stderr go.
        on_messages: Called with what it sent, several at a time; the lock is held.
        on_end: Called once, when it is dead and everything it sent was delivered.
        lock: The host's lock; whoever calls a method holds it.
        receiver: Reads its socket, where there is one.
        page: Says which element it is on; its own to release.

    Attributes:
        leases: The leases that it has, in order, with their functions.
        overrun: The element that it is being stopped on, since that ran for too long.
        cause: Why we killed it for something that it did, for people.
        ending: We told it to end.
        retired: No other one is to take its place.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        environment: Mapping[str, str],
        outlet: Outlet,
        on_messages: Callable[[SlotProcess, list[AnyMessage]], None],
        on_end: Callable[[SlotProcess], None],
        lock: AbstractContextManager[object],
        receiver: Receiver | None = None,
        page: Page | None = None,
    ) -> None:
        self._on_messages = on_messages
        self._on_end = on_end
        self._lock = lock
        self._decoder = Decoder()
        self.leases: dict[int, int] = {}
        self.overrun: Overrun | None = None
        self._stopwatch = Stopwatch()
        self._live = LiveOutput()
        self.ending = False
        self.cause = ""
        self.retired = False
        self.is_bound = False
        ours, data = socket.socketpair()
        self._leases, self._untaken = socket.socketpair()
        self._output = SlotOutput(outlet)
        self._page = page if page is not None else MemoryPage()
        with self._output, _released_unless_started(self._page):
            handles = (data.fileno(), self._untaken.fileno(), self._page.fileno(), self._output.lines)
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-u",
                    "-c",
                    _BOOTSTRAP.format(path=_SOURCE),
                    *map(str, (*handles, os.getpid())),
                ],
                pass_fds=handles,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=self._output.stdout,
                stderr=self._output.stderr,
                process_group=0,
            )
        data.close()
        self._stopwatch.process = f"in worker process {self.pid} on {socket.gethostname()}"
        self._leases.setblocking(False)
        self._referring: set[int] = set()
        self._data = Channel(loop, ours, self._received, self._dead, lock, receiver)

    @property
    def last_lines(self) -> str:
        """After its end: the last that it printed on its element."""
        return self._output.last_lines

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def bind(self, message: Bind) -> None:
        """Gives it to a session."""
        self.is_bound = True
        self._page.bound(message.session)
        self._data.send(frame([message]))

    def run(self, message: Run) -> None:
        """Sends leases. Short ones are a record each; what else there is goes ahead on the data socket.

        Those of functions that refer to blobs go there, too: such a function may be replaced by one that refers
        to more, and whoever reads a lease there has read that.
        """
        records = []
        long = []
        self._referring.update(function.id for function in message.functions if function.blobs)
        self._referring.difference_update(message.forget)
        self._stopwatch.learn(message.functions, message.forget)
        for lease in message.leases:
            self.leases[lease.id] = lease.function
            self._stopwatch.leased(lease, self.leases)
            self._page.leased(lease, self.leases)
            record = pack_record(lease) if lease.function not in self._referring else None
            if record is None:
                long.append(lease)
                record = pack_record(Lease(lease.id, lease.function, lease.start, []))
                assert record is not None
            records.append(record)
        if message.functions or message.forget:
            self._live.learn(message.functions, message.forget)
        if long or message.functions or message.forget:
            self._data.send(frame([Run(message.slot, message.functions, message.forget, long)]))
        self._send_records(records)

    def revoke(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Takes leases back that it has not started. What is returned is final (R13)."""
        try:
            content = self._untaken.recv(RECORD_BYTES * (MAX_CREDITS + 1), socket.MSG_DONTWAIT)
        except OSError:
            return ()
        back: list[int] = []
        kept: list[bytes] = []
        for start in range(0, len(content), RECORD_BYTES):
            record = content[start : start + RECORD_BYTES]
            lease = unpack_record(record).id
            if lease in wanted:
                back.append(lease)
                del self.leases[lease]
            else:
                kept.append(record)
        self._send_records(kept)
        return tuple(back)

    def check(self) -> None:
        """Notices its death where its socket does not tell, and keeps its output short. In the loop's thread."""
        self._output.squeeze()
        if not _CAN_LOOK:
            ended = self._process.poll() is not None
        else:
            ended = self._look() is not False
        if ended:
            self._data.drain()

    def printed_so_far(self) -> PrintedLease | None:
        """What its element has printed since this was asked before, if that is to be told now."""
        return self._live.look(self._page.place, self.leases, self._output.peek)

    def too_long(self, now: float) -> Overrun | None:
        """The element that it runs, if that has run longer than it may (R22); `now` is in seconds."""
        if not self._stopwatch.limits:
            return None
        lease, index = self._page.place()
        return self._stopwatch.look(lease, index, self.leases.get(lease, 0), now)

    def interrupt(self, lease: int) -> None:
        """SIGINT for what it runs, as long as it is this."""
        if self._look() is not None and self._page.place()[0] == lease:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, for it and for everything in its process group: what its elements started ends with it.

        The group's number is its own as long as its end was not taken from the kernel, so nobody else is hit.
        """
        if self._look() is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # it may have left its group

    def finish(self) -> None:
        """Lets it end by itself, after what it runs."""
        self.ending = True
        self._leases.close()
        self._untaken.close()

    def reap(self, until: float) -> None:
        """Waits for its end after `kill`, and closes our side. In the loop's thread.

        Args:
            until: How long at most, as `time.monotonic()` tells it.
        """
        self._data.close()
        self._leases.close()
        self._untaken.close()
        with suppress(subprocess.TimeoutExpired):  # the kernel cannot end it yet
            self._process.wait(max(0.0, until - time.monotonic()))
        self._output.drain()
        self.release()

    def release(self) -> None:
        """After its end, when nothing is asked of it any more: gives back the page, and half of a message."""
        self._page.release()
        self._decoder = Decoder()
        self._output.pass_on()

    def last_words(self) -> tuple[int, int, str]:
        """After its end: the lease and the element it was on (0 and -1 for none), and how it ended."""
        lease, index = self._page.place()
        code = self._process.returncode
        if self.cause:
            reason = self.cause
        elif code is not None and code < 0:
            try:
                reason = f"killed by {signal.Signals(-code).name}"
            except ValueError:
                reason = f"killed by signal {-code}"
        else:
            reason = f"exit code {code}"
        return (lease, index, reason) if lease in self.leases else (0, -1, reason)

    def printed(self) -> Printed:
        """After its end: what it had printed, which is to be part of an outcome."""
        worker, (lease, _) = f"{socket.gethostname()}:{self.pid}", self._page.place()
        return Printed(*self._output.claim(), [], worker, lease)

    def _send_records(self, records: list[bytes]) -> None:
        if self.ending or not records:
            return
        content = b"".join(records)
        try:
            whole = self._leases.send(content) == len(content)
        except OSError:
            whole = False
        if not whole:  # it cannot be told any more; its leases come back with its end
            self.kill()

    def _look(self) -> bool | None:
        """Whether it has ended, while that stays known to the kernel; None when its number is not its own any more.

        That is so when its end was taken: by us, or by a program that waits for all of its children.
        """
        if self._process.returncode is not None:
            return None
        if not _CAN_LOOK:
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        except ChildProcessError:
            return None

    def _wait(self) -> None:
        """Waits for its end; that is taken from the kernel only when its group was killed once more."""
        with suppress(ChildProcessError):
            if _CAN_LOOK:
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self.kill()
            self._process.wait()

    def _received(self, content: bytes) -> None:
        try:
            messages = self._decoder.feed(content)
        except ProtocolError:
            self.kill()  # something in the user's code wrote to our socket
            return
        if messages:
            self._on_messages(self, messages)

    def _dead(self) -> None:
        self._leases.close()
        self._untaken.close()
        with self._lock:
            self.kill()  # for a process that only closed its sockets, and for what it leaves behind
        self._wait()
        self._output.drain()
        self._on_end(self)


@contextmanager
def _released_unless_started(page: Page) -> Iterator[None]:
    """For the start of the process that is to have a page."""
    try:
        yield
    except BaseException:
        page.release()
        raise
    page.started()
