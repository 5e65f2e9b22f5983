"""Slots that do one thing at a time, for the simulator."""

from __future__ import annotations

import hashlib
import itertools
import pickle
from collections import Counter, deque
from pathlib import Path
from typing import Any

from kubefuture.client.calls import exception_of
from kubefuture.core.blobs import BlobError
from kubefuture.core.raised import pack_exception
from kubefuture.core.settings import LOSSES, STRIKES
from kubefuture.protocol.messages import (
    Bind,
    Blob,
    Done,
    Failure,
    Function,
    Held,
    Lease,
    Message,
    Part,
    PrintedLease,
    Raised,
    Ready,
    Run,
    UnseededLease,
)
from kubefuture.protocol.poison import decode_report
from kubefuture.worker import slot_set
from kubefuture.worker.limits import Overrun, Stopwatch


class FakeSlot:
    """What SlotProcess is to a SlotSet, with a process that does one thing at a time when it is told to.

    An element's payload says what it does: `ok…` returns, `roll…` returns something else each time, `draw…` draws
    without a seed, `raise…` raises, `once…` raises the first time, `deaf…` ignores SIGINT, `die…` kills its slot,
    `slow…` does not end before it is interrupted.

    Attributes:
        gone: It is dead, and its supervisor knows.
        process: The supervisor that it belongs to.
        seconds: How long an element takes, as it says.
    """

    seconds = 0.001
    pids = itertools.count(1000)

    def __init__(
        self,
        loop: Any,
        environment: Any,
        output: Any,
        on_messages: Any,
        on_end: Any,
        lock: Any,
        receiver: Any,
        page: Any,
    ) -> None:
        self.pid = next(self.pids)
        self.process = loop
        self.leases: dict[int, int] = {}
        self.ending = False
        self.cause = ""
        self.overrun: Overrun | None = None
        self._stopwatch = Stopwatch()
        self.retired = False
        self.gone = False
        self._on_messages = on_messages
        self._on_end = on_end
        self._outbox: deque[Message] = deque([Ready(self.pid)])
        self._records: deque[Lease] = deque()
        self._functions: dict[int, Function] = {}
        self._session = ""
        self._running: Lease | None = None
        self._position = 0
        self._lacks: list[Blob] = []
        self._dead = False
        self._killed = False
        self._closed = False
        self._interrupted = False
        self._counted = self._told = 0, -1
        SLOTS.append(self)

    def bind(self, message: Bind) -> None:
        assert not self._session, "R3: a slot belongs to one session"
        self._session = message.session

    @property
    def is_bound(self) -> bool:
        return bool(self._session)

    def run(self, message: Run) -> None:
        assert self.is_bound, "what is for the process before does not come here"
        for forgotten in message.forget:
            self._functions.pop(forgotten, None)
        for function in message.functions:
            self._functions[function.id] = function
        self._stopwatch.learn(message.functions, message.forget)
        for lease in message.leases:
            self.leases[lease.id] = lease.function
            self._stopwatch.leased(lease, self.leases)
            if not self._closed:
                self._records.append(lease)

    def revoke(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        if self._closed:
            return ()
        back = tuple(lease.id for lease in self._records if lease.id in wanted)
        self._records = deque(lease for lease in self._records if lease.id not in wanted)
        for lease in back:
            del self.leases[lease]
        return back

    def check(self) -> None:
        pass

    def printed_so_far(self) -> PrintedLease | None:
        if self._running is None or self._told == (self._running.id, self._position):
            return None
        self._told = self._running.id, self._position
        return PrintedLease(*self._told, (0, 0), b"so far\n", b"")

    def too_long(self, now: float) -> Overrun | None:
        if self._running is None:
            return None
        return self._stopwatch.look(
            self._running.id, self._position, self.leases.get(self._running.id, 0), now
        )

    def interrupt(self, lease: int) -> None:
        if self._running is not None and self._running.id == lease:
            self._interrupted = True

    def kill(self) -> None:
        self.dies()
        self._killed = self._dead = True

    def dies(self) -> None:
        """Its end is noted for the element that it is on."""
        if self._running is not None and not self._dead:
            payload = self._running.payloads[self._position - self._running.start]
            DEATHS[self._session, payload.decode()] += 1

    def finish(self) -> None:
        self.ending = self._closed = True

    def release(self) -> None:
        pass

    def printed(self) -> None:
        return None

    def last_words(self) -> tuple[int, int, str]:
        if self._running is not None and self._running.id in self.leases:
            return self._running.id, self._position, "killed by SIGKILL"
        return 0, -1, "killed by SIGKILL" if self._killed else "exit code 0"

    @property
    def last_lines(self) -> str:
        return ""

    @property
    def held(self) -> Held | None:
        """The lease that it is on."""
        lease = self._running
        if lease is None:
            return None
        stop = lease.start + len(lease.payloads)
        return Held(lease.id, self._session, lease.call, lease.function, lease.start, stop)

    def step(self) -> bool:
        """The process does one thing. Returns whether it had anything to do."""
        if self._dead:
            return False
        if self._running is None:
            self._interrupted = False
            if not self._records:
                self._dead = self._closed
                return self._dead
            lease = self._records.popleft()
            function = self._functions[lease.function]
            assert function.payload.decode() == self._session, "a slot runs its own session's functions only"
            self._running, self._position = lease, lease.start
            self._lacks = [blob for blob in function.blobs if not blob.path]
            for blob in function.blobs:
                if blob.path:
                    found = hashlib.sha256(Path(blob.path).read_bytes()).digest()
                    assert found == blob.digest, "R26: a slot has what was captured"
            return True
        return self._element(self._running)

    def _element(self, lease: Lease) -> bool:
        index, payload = self._position, lease.payloads[self._position - lease.start]
        last = index == lease.start + len(lease.payloads) - 1
        kind = payload.decode()
        if self._counted != (lease.id, index):
            self._counted = lease.id, index
            RUNS[self._session, kind] += 1
        if kind.startswith("die"):
            self.kill()
            return True
        if kind.startswith("deaf") and self._interrupted:
            return False
        if kind.startswith("slow") and not self._interrupted:
            return False
        end = last or self._interrupted
        if self._interrupted:
            self._outbox.append(Raised(lease.id, index, b"", self.seconds, True, True))
        elif self._lacks:
            lacks = BlobError(f"captured data could not be had{self._lacks[0].problem}")
            self._outbox.append(Raised(lease.id, index, pack_exception(lacks), self.seconds, end))
        elif kind.startswith("raise") or (kind.startswith("once") and RUNS[self._session, kind] == 1):
            self._outbox.append(Raised(lease.id, index, pack_exception(ValueError(kind)), self.seconds, end))
        else:
            if kind.startswith("draw"):
                self._outbox.append(UnseededLease(lease.id, "draw"))
            times = (RUNS[self._session, kind],) if kind.startswith("roll") else ()
            part = Part(lease.id, index, [pickle.dumps((self._session, kind, *times))], self.seconds, end)
            self._outbox.append(Done([part]))
        self._position += 1
        if end:
            self._running = None
        return True

    def work(self) -> bool:
        """It does one thing, and something that it said arrives. Returns whether there was anything."""
        with self.process.running():
            moved = self.step()
            return self.deliver() or moved

    def deliver(self) -> bool:
        """What it said arrives at its supervisor, or its end does. Returns whether there was anything."""
        if self._outbox:
            self._on_messages(self, [self._outbox.popleft()])
        elif self._dead and not self.gone:
            self.gone = True
            self._on_end(self)
        else:
            return False
        return True


def check_failure(session: str, kind: str, failure: Failure, retries: int) -> None:
    """An element fails only for what happened to it, and not before it was tried as often as it may be (R19)."""
    if failure.kind == "poison":
        report = decode_report(failure.payload)
        assert report.deaths <= DEATHS[session, kind], "no element is to blame for what it was not on"
        assert report.deaths == STRIKES or report.losses == LOSSES
        return
    error = exception_of(failure)
    if not isinstance(error, TimeoutError):
        assert kind.startswith(("raise", "once")), error
        assert RUNS[session, kind] > retries, f"{kind} was to be tried again"


SLOTS: list[FakeSlot] = []

RUNS: Counter[tuple[str, str]] = Counter()
"""How often each element was begun, by session and payload."""

DEATHS: Counter[tuple[str, str]] = Counter()
"""How often a slot ended while it was on an element."""


def use_fake_slots(monkeypatch: Any) -> None:
    """Makes slot sets start fake slots."""
    monkeypatch.setattr(slot_set, "SlotProcess", FakeSlot)
