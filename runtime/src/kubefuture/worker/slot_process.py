"""One slot seen from its supervisor: starts it, feeds it, notices its death.

Everything that touches the event loop's watchers runs in the loop's thread; `send_run` and the like may
be called from any thread that holds the host's lock.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from mmap import mmap
from pathlib import Path
from typing import IO

from ..errors import ProtocolError
from ..protocol.framing import Decoder, frame
from ..protocol.messages import AnyMessage, Bind, Done, Raised, Run
from .slot import PAGE

_BOOTSTRAP = "import sys; sys.path.insert(0, {path!r}); from kubefuture.worker.slot import main; main()"
_SOURCE = str(Path(__file__).resolve().parents[2])
_READ = 1 << 18


class SlotProcess:
    """A slot's process and its sockets.

    Args:
        loop: Where its sockets are watched.
        environment: The process's environment.
        output: Where its stdout and stderr go, None for ours.
        on_messages: Called with what it sent, several at a time.
        on_end: Called once, when it is dead and everything it sent was delivered.

    Attributes:
        leases: Ids of the leases that it has, in order.
        ending: We told it to end.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        environment: Mapping[str, str],
        output: IO[bytes] | int | None,
        on_messages: Callable[[SlotProcess, list[AnyMessage]], None],
        on_end: Callable[[SlotProcess], None],
    ) -> None:
        self._loop = loop
        self._on_messages = on_messages
        self._on_end = on_end
        self._decoder = Decoder()
        self._unsent = bytearray()
        self.leases: dict[int, None] = {}
        self.ending = False
        self._data, data = socket.socketpair()
        self._tokens, self._taken = socket.socketpair()
        with _shared_page() as page:
            self._page = mmap(page.fileno(), PAGE.size)
            handles = (data.fileno(), self._taken.fileno(), page.fileno())
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
                stdout=output,
                stderr=output,
                process_group=0,
            )
        data.close()
        self._data.setblocking(False)
        self._tokens.setblocking(False)
        loop.add_reader(self._data.fileno(), self._readable)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def bind(self, message: Bind) -> None:
        """Gives it to a session."""
        self._write(frame([message]))

    def run(self, message: Run) -> None:
        """Sends leases, then the tokens that let them start."""
        self._write(frame([message]))
        for lease in message.leases:
            self.leases[lease.id] = None
        self._send_tokens([lease.id for lease in message.leases])

    def revoke(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Takes leases back that it has not started. What is returned is final (R13)."""
        try:
            content = self._taken.recv(8 * (len(self.leases) + 1), socket.MSG_DONTWAIT)
        except OSError:
            return ()
        unstarted = [int.from_bytes(content[at : at + 8], "little") for at in range(0, len(content), 8)]
        asked = set(wanted)
        back = tuple(lease for lease in unstarted if lease in asked)
        for lease in back:
            del self.leases[lease]
        self._send_tokens([lease for lease in unstarted if lease not in asked])
        return back

    def interrupt(self) -> None:
        """SIGINT for what it runs."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def finish(self) -> None:
        """Lets it end by itself, after what it runs."""
        self.ending = True
        self._tokens.close()
        self._taken.close()

    def last_words(self) -> tuple[int, int, str]:
        """After its end: the lease and the element it was on (0 and -1 for none), and how it ended."""
        lease, index = PAGE.unpack_from(self._page)
        code = self._process.returncode
        if code is not None and code < 0:
            try:
                reason = f"killed by {signal.Signals(-code).name}"
            except ValueError:
                reason = f"killed by signal {-code}"
        else:
            reason = f"exit code {code}"
        return (lease, index, reason) if lease in self.leases else (0, -1, reason)

    def _send_tokens(self, leases: list[int]) -> None:
        if not leases or self.ending:
            return
        try:
            self._tokens.send(b"".join(lease.to_bytes(8, "little") for lease in leases))
        except OSError:
            self._signal(signal.SIGKILL)  # it cannot be told any more; its leases come back with its end

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                pass

    def _write(self, content: bytes) -> None:
        if not self._unsent:
            try:
                sent = self._data.send(content)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # dead; the reader finds out
            if sent == len(content):
                return
            content = content[sent:]
            self._loop.call_soon_threadsafe(self._watch_writable)
        self._unsent += content

    def _watch_writable(self) -> None:
        if self._data.fileno() >= 0:
            self._loop.add_writer(self._data.fileno(), self._writable)

    def _writable(self) -> None:
        try:
            sent = self._data.send(memoryview(self._unsent)[: 1 << 20])
        except BlockingIOError:
            return
        except OSError:
            self._loop.remove_writer(self._data.fileno())
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._data.fileno())

    def _readable(self) -> None:
        try:
            content = self._data.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            self._dead()
            return
        try:
            messages = list(self._decoder.feed(content))
        except ProtocolError:
            self.kill()  # something in the user's code wrote to our socket
            return
        for message in messages:
            if isinstance(message, Done):
                for part in message.parts:
                    if part.end:
                        self.leases.pop(part.lease, None)
            elif isinstance(message, Raised) and message.end:
                self.leases.pop(message.lease, None)
        self._on_messages(self, messages)

    def _dead(self) -> None:
        handle = self._data.fileno()
        self._loop.remove_reader(handle)
        self._loop.remove_writer(handle)
        self._data.close()
        self._tokens.close()
        self._taken.close()
        self.kill()  # for a process that only closed its sockets
        self._process.wait()
        self._on_end(self)


def _shared_page() -> IO[bytes]:
    """A file without a name that holds the page."""
    page: IO[bytes]
    if hasattr(os, "memfd_create"):
        page = os.fdopen(os.memfd_create("kubefuture-page"), "r+b")
    else:
        page = tempfile.TemporaryFile()
    page.write(PAGE.pack(0, -1))
    page.flush()
    return page
