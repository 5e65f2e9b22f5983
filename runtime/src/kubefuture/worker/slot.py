"""The slot: a process that runs one element at a time. A blocking loop: read, run, write (R2).

    supervisor ══ data: frames, both ways ═══════> slot     functions, long leases; results back
               ── leases: a record each ─────────>
               <─ page: where it is ───────────────         shared memory, survives SIGKILL (R14)

Whoever receives a lease's record has it. So the supervisor takes unstarted work back by receiving the
record itself, at any time and for sure, even while a C call holds this process's GIL (R13). The end of
the leases is the end of the slot.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
from itertools import takewhile
from mmap import mmap
from types import FrameType

from ..core.context import Element, enter_slot_element
from ..core.elements import FunctionRunner
from ..core.log_levels import take_on_again
from ..core.packing import pack_result
from ..core.raised import calls_users, pack_exception
from ..core.scalars import NUMBERS, PICKLED, decode, encode, unpack
from ..core.settings import HANDOVER_SECONDS
from ..core.unseeded import State
from ..protocol.framing import Decoder
from ..protocol.messages import (
    Bind,
    Lease,
    Ready,
    Run,
    UnseededLease,
)
from .capture import Capture
from .handover import Handover
from .lease_record import RECORD_BYTES, unpack_record
from .lifetime import die_with_parent
from .page import PLACE

_UNSEEDED = Element()


class _Interrupted(KeyboardInterrupt):
    """Our own SIGINT, for an element that was cancelled (R21)."""


def _is_import(frame: FrameType | None) -> bool:
    """Whether an import is under way: a module like NumPy, once broken off, can never be loaded again."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class Slot:
    """The loop and what it keeps between elements."""

    def __init__(self, data: socket.socket, leases: socket.socket, page: mmap, lines: int) -> None:
        self._data = data
        self._leases = leases
        self._page = page
        self._index = memoryview(page)[PLACE.size - 8 :].cast("q")  # a third of what packing it would take
        self._decoder = Decoder()
        self._functions: dict[int, FunctionRunner] = {}
        self._long: dict[int, Lease] = {}
        self._bound = False
        self._handover = Handover(data)
        self._capture = Capture(lines)
        self._armed = False
        self._interrupted = False
        self._forked = False
        self._had_blobs = False
        self._process = f"in worker process {os.getpid()} on {socket.gethostname()}"
        os.register_at_fork(after_in_child=self._leave)
        signal.signal(signal.SIGINT, self._on_interrupt)

    def serve(self) -> None:
        """Runs leases until the supervisor closes them."""
        self._capture.install()
        self._handover.send([Ready(os.getpid())])
        while True:
            record = self._next_record()
            if len(record) < RECORD_BYTES:
                return
            lease = unpack_record(record)
            while not self._bound or lease.function not in self._functions:
                self._read()
            if not lease.payloads:
                while lease.id not in self._long:
                    self._read()
                for revoked in list(takewhile(lease.id.__ne__, self._long)):
                    del self._long[revoked]
                lease = self._long.pop(lease.id)
            self._run(lease, self._functions[lease.function])

    def _next_record(self) -> bytes:
        try:
            if self._handover.holds and not self._handover.due():
                try:
                    return self._leases.recv(RECORD_BYTES, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    pass
            self._handover.flush()
            if self._had_blobs:  # a function's copy may be part of a cycle, and with it large memory
                self._had_blobs = False
                gc.collect(1)
            return self._leases.recv(RECORD_BYTES, socket.MSG_WAITALL)
        except ConnectionError:
            return b""

    def _read(self) -> None:
        data = self._data.recv(1 << 16)
        if not data:
            sys.exit(0)
        for message in self._decoder.feed(data):
            if isinstance(message, Run):
                for forgotten in message.forget:
                    self._functions.pop(forgotten, None)
                for function in message.functions:
                    self._functions[function.id] = FunctionRunner(function, take_on_again)
                for lease in message.leases:
                    self._long[lease.id] = lease
            elif isinstance(message, Bind):
                _bind(message)
                self._bound = True

    def _run(self, lease: Lease, runner: FunctionRunner) -> None:
        handover = self._handover
        handover.begin(lease.id, lease.start)
        self._interrupted = False
        if handover.holds:
            handover.watch()
        self._had_blobs = runner.has_blobs
        self._capture.listen(runner.level, runner.levels, lease.id)
        before = runner.watch()
        if runner.plain:
            self._run_plain(lease, runner, before)
        else:
            self._run_each(lease, runner, before)
        PLACE.pack_into(self._page, 0, 0, -1)
        handover.end()

    def _run_each(self, lease: Lease, runner: FunctionRunner, before: State | None) -> None:
        handover = self._handover
        last = lease.start + len(lease.payloads) - 1
        for index, payload in enumerate(lease.payloads, lease.start):
            PLACE.pack_into(self._page, 0, lease.id, index)
            if handover.holds:
                handover.watch()
            try:
                element, content = runner.element(index, payload)
                enter_slot_element(element)
                self._armed = True
                result = runner.run(element.root, content)
                self._armed = False
            except BaseException as error:
                if self._failed(error, lease.id, index, last, runner, before, payload):
                    return
                continue
            self._done(lease.id, index, last, runner, before)
            handover.waiting.append(self._capture.over(result))
            if index != last and handover.due():
                handover.flush()
            if self._interrupted:
                return

    @calls_users
    def _run_plain(self, lease: Lease, runner: FunctionRunner, before: State | None) -> None:
        """The same for trivial elements at full speed: a microsecond each, so everything is at hand."""
        handover, waiting, append = self._handover, self._handover.waiting, self._handover.waiting.append
        number, clock, bare, function = lease.id, time.perf_counter, runner.bare, None
        capture, seek, quiet = self._capture, os.lseek, False
        place, last = self._index, lease.start + len(lease.payloads) - 1
        PLACE.pack_into(self._page, 0, number, lease.start)
        enter_slot_element(_UNSEEDED)
        for index, payload in enumerate(lease.payloads, lease.start):
            place[0] = index
            if waiting and not handover.watched:
                handover.watch()
            try:
                self._armed = True
                if function is None:
                    function = runner.function()
                    quiet = runner.quiet
                if bare:
                    value = function(unpack(payload) if payload[0] == PICKLED else decode(payload))
                else:
                    args, kwargs = unpack(payload)
                    value = function(*args, **kwargs) if kwargs else function(*args)
                try:
                    result = encode(value) if type(value) in NUMBERS else pack_result(value)
                except OverflowError:  # a very large integer
                    result = pack_result(value)
                self._armed = False
            except BaseException as error:
                if self._failed(error, number, index, last, runner, before, payload):
                    return
                continue
            if self._forked or index == last:
                self._done(number, index, last, runner, before)
            if capture.events or ((not quiet or payload[0] == PICKLED) and (seek(1, 0, 2) or seek(2, 0, 2))):
                result = capture.over(result)
            append(result)
            if not index & 7 and clock() - handover.last >= HANDOVER_SECONDS and index != last:
                handover.flush()
            if self._interrupted:
                return

    def _done(self, lease: int, index: int, last: int, runner: FunctionRunner, before: State | None) -> None:
        """An element has run. What is to be said of its chunk is said before its last result."""
        if self._forked:
            os._exit(0)
        if index == last:
            self._say_unseeded(lease, runner, before)

    def _failed(
        self,
        error: BaseException,
        lease: int,
        index: int,
        last: int,
        runner: FunctionRunner,
        before: State | None,
        payload: bytes,
    ) -> bool:
        """An element raised, or was interrupted; returns whether its lease ends with it."""
        self._armed = False
        if self._forked:
            os._exit(1)
        interrupted = isinstance(error, _Interrupted)
        packed = b"" if interrupted else pack_exception(error, runner.place(payload, self._process))
        packed = self._capture.over(packed)
        end = interrupted or self._interrupted or index == last
        if end:
            self._say_unseeded(lease, runner, before)
        self._handover.raised(index, packed, end=end, interrupted=interrupted)
        return end

    def _say_unseeded(self, lease: int, runner: FunctionRunner, before: State | None) -> None:
        """Says whether the chunk, which ends now, drew from the global generators without a seed (R25)."""
        if before is not None and runner.drew(before):
            self._handover.send([UnseededLease(lease, runner.name)])

    def _leave(self) -> None:
        """In a process that the user's code forked: the element, its result and our sockets are not its own."""
        self._forked = True
        self._data.close()
        self._leases.close()
        self._capture.leave()

    def _on_interrupt(self, _signum: int, frame: FrameType | None) -> None:
        self._interrupted = True
        if not self._armed:
            return
        if _is_import(frame):
            return  # it comes again
        self._armed = False  # once: a second one would hit what handles the first
        raise _Interrupted


def _bind(message: Bind) -> None:
    """Takes on the session's folder and module path."""
    try:
        if message.folder:  # none was there
            os.chdir(message.folder)
    except OSError:
        if "KUBEFUTURE_NODE" not in os.environ:  # no pod has the folders of a laptop
            print(
                f"kubefuture: the folder {message.folder} of the calling program is not here", file=sys.stderr
            )
    known = set(sys.path)
    sys.path[:0] = [entry for entry in message.sys_path if entry not in known]


def main() -> None:
    """The bootstrap: four descriptors and the supervisor's pid as arguments."""
    data, leases, page, lines, parent = map(int, sys.argv[1:6])
    die_with_parent(parent)
    sys.argv = [""]
    shared = mmap(page, PLACE.size)
    os.close(page)
    for handle in (data, leases, lines):  # programs that the user's code starts have nothing to do with them
        os.set_inheritable(handle, False)
    Slot(socket.socket(fileno=data), socket.socket(fileno=leases), shared, lines).serve()
