"""The slot: a process that runs one element at a time. A blocking loop: read, run, write (R2).

    supervisor ══ data: frames, both ways ═══════════════> slot
               ── tokens: eight bytes a lease ───────────>      may this lease start?
               <─ page: the lease and element it is on ──       shared memory, survives SIGKILL (R14)

A lease's content travels on the data socket; it may start when its token is read. Whoever reads a
token first has it, so the supervisor takes unstarted work back by reading the token itself, at any
time and for sure, even while a C call holds this process's GIL (R13). The end of the tokens is the
end of the slot.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
import time
from mmap import mmap
from types import FrameType

from ..core.context import Element, enter_slot_element
from ..core.elements import FunctionRunner
from ..core.packing import pack_exception
from ..core.settings import HANDOVER_SECONDS
from ..protocol.framing import Decoder, frame
from ..protocol.messages import Bind, Done, Lease, Message, Part, Raised, Ready, Run
from .lifetime import die_with_parent

PAGE = struct.Struct("<Qq")
"""What the shared page holds: the lease that runs, 0 for none, and the element's index."""


class _Interrupted(KeyboardInterrupt):
    """Our own SIGINT, for an element that was cancelled (R21)."""


class Slot:
    """The loop and what it keeps between elements."""

    def __init__(self, data: socket.socket, tokens: socket.socket, page: mmap) -> None:
        self._data = data
        self._tokens = tokens
        self._page = page
        self._decoder = Decoder()
        self._functions: dict[int, FunctionRunner] = {}
        self._leases: dict[int, tuple[Lease, FunctionRunner]] = {}
        self._handover = _Handover(data)
        self._armed = False
        self._interrupted = False
        signal.signal(signal.SIGINT, self._on_interrupt)

    def serve(self) -> None:
        """Runs leases until the supervisor closes the tokens."""
        self._handover.send([Ready(os.getpid())])
        while True:
            token = self._next_token()
            if not token:
                return
            lease_id = int.from_bytes(token, "little")
            while lease_id not in self._leases:
                self._read()
            for revoked in [known for known in self._leases if known < lease_id]:
                del self._leases[revoked]
            self._run(*self._leases.pop(lease_id))

    def _next_token(self) -> bytes:
        if self._handover.holds and not self._handover.due():
            try:
                return self._tokens.recv(8, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        self._handover.flush()
        return self._tokens.recv(8)

    def _read(self) -> None:
        data = self._data.recv(1 << 20)
        if not data:
            sys.exit(0)
        for message in self._decoder.feed(data):
            if isinstance(message, Run):
                for forgotten in message.forget:
                    self._functions.pop(forgotten, None)
                for function in message.functions:
                    self._functions[function.id] = FunctionRunner(function)
                for lease in message.leases:
                    self._leases[lease.id] = lease, self._functions[lease.function]
            elif isinstance(message, Bind):
                _bind(message)

    def _run(self, lease: Lease, runner: FunctionRunner) -> None:
        handover, page, pack_into = self._handover, self._page, PAGE.pack_into
        handover.begin(lease.id, lease.start)
        self._interrupted = False
        if runner.plain:
            enter_slot_element(Element())
        last = lease.start + len(lease.payloads) - 1
        for index, payload in enumerate(lease.payloads, lease.start):
            pack_into(page, 0, lease.id, index)
            try:
                root, content = None, payload
                if not runner.plain:
                    element, content = runner.element(index, payload)
                    enter_slot_element(element)
                    root = element.root
                self._armed = True
                result = runner.run(root, content)
                self._armed = False
            except BaseException as error:
                self._armed = False
                interrupted = isinstance(error, _Interrupted)
                packed = b"" if interrupted else pack_exception(error)
                end = interrupted or self._interrupted or index == last
                handover.raised(index, packed, end=end, interrupted=interrupted)
                if end:
                    break
                continue
            if handover.add(result) and index != last:
                handover.flush()
            if self._interrupted:
                break
        pack_into(page, 0, 0, -1)
        handover.end()

    def _on_interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        if self._armed:
            raise _Interrupted


class _Handover:
    """Finished results that have not been sent yet.

    They are sent when 1 ms has passed since results last were, so that trivial elements share a write.
    A thread sends what would otherwise wait for a long element that follows a short one.
    """

    def __init__(self, data: socket.socket) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._parts: list[Part] = []
        self._payloads: list[bytes] = []
        self._lease = 0
        self._start = 0
        self._began = 0.0
        self._last = 0.0
        self._open = False
        self._waiting = threading.Event()
        threading.Thread(target=self._watch, name="kubefuture-handover", daemon=True).start()

    @property
    def holds(self) -> bool:
        """Whether anything waits."""
        return bool(self._parts or self._payloads)

    def due(self) -> bool:
        """Whether it is time to send."""
        return time.perf_counter() - self._last >= HANDOVER_SECONDS

    def begin(self, lease: int, start: int) -> None:
        """Begins a lease."""
        self._lease, self._start = lease, start
        self._began = time.perf_counter()
        self._open = True

    def add(self, payload: bytes) -> bool:
        """Takes the next element's result and returns whether it is time to send."""
        with self._lock:
            self._payloads.append(payload)
        if not self._waiting.is_set():
            self._waiting.set()
        return time.perf_counter() - self._last >= HANDOVER_SECONDS

    def raised(self, index: int, payload: bytes, *, end: bool, interrupted: bool) -> None:
        """Sends what is there and then a failure."""
        with self._lock:
            self._close_part(end=False)
            now = time.perf_counter()
            message = Raised(self._lease, index, payload, now - self._began, end, interrupted)
            self._write([message])
            self._start, self._began = index + 1, now
            if end:
                self._open = False

    def end(self) -> None:
        """The lease is over."""
        with self._lock:
            if self._open:
                self._open = False
                self._close_part(end=True)

    def flush(self) -> None:
        """Sends everything that waits."""
        with self._lock:
            self._close_part(end=False)
            if self._parts:
                self._write([])

    def send(self, messages: list[Message]) -> None:
        """Sends messages that have nothing to do with results."""
        with self._lock:
            self._write(messages)

    def _close_part(self, *, end: bool) -> None:
        if self._payloads or end:
            now = time.perf_counter()
            self._parts.append(Part(self._lease, self._start, self._payloads, now - self._began, end))
            self._start += len(self._payloads)
            self._payloads = []
            self._began = now

    def _write(self, messages: list[Message]) -> None:
        if self._parts:
            messages = [Done(self._parts), *messages]
            self._parts = []
        self._last = time.perf_counter()
        self._waiting.clear()
        try:
            self._data.sendall(frame(messages))
        except OSError:
            os._exit(0)

    def _watch(self) -> None:
        while True:
            self._waiting.wait()
            time.sleep(HANDOVER_SECONDS)
            if self._waiting.is_set() and self.due():
                self.flush()


def _bind(message: Bind) -> None:
    """Takes on the session's folder and module path."""
    try:
        os.chdir(message.folder)
    except OSError:
        print(f"kubefuture: the folder {message.folder} of the calling program is not here", file=sys.stderr)
    known = set(sys.path)
    sys.path[:0] = [entry for entry in message.sys_path if entry not in known]


def main() -> None:
    """The bootstrap: three descriptors and the supervisor's pid as arguments."""
    data, tokens, page, parent = map(int, sys.argv[1:5])
    die_with_parent(parent)
    sys.argv = [""]
    shared = mmap(page, PAGE.size)
    os.close(page)
    Slot(socket.socket(fileno=data), socket.socket(fileno=tokens), shared).serve()
