"""A client's calls: what was sent, what came back, and who waits for it.

The client holds every payload until its result is here, and sends what is missing again when it had to
reconnect (R4).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, cast

from ..core.packing import unpack_result
from ..core.printed import peel
from ..core.raised import RemoteTraceback, named, unpack_exception
from ..core.receiver import HelpedCondition
from ..core.relay import AsItComes
from ..core.settings import WINDOW_BYTES
from ..core.unseeded import warn_unseeded
from ..errors import KubefutureError
from ..protocol.messages import (
    BlobKept,
    BlobRefused,
    Elements,
    Failure,
    Function,
    Message,
    Open,
    PrintedCall,
    Span,
    Tally,
    TallyRequest,
    UnseededCall,
)
from .poison import poison_error

_BATCH_BYTES = 1 << 20
_BATCH_ELEMENTS = 4096


class TaskCall:
    """A single future.

    Attributes:
        future: What the caller has; None once that is done, so that neither keeps the other.
        sent: It is on the way; otherwise it waits until there is less there.
        unseeded: The function's name, once it was seen to draw from the global generators without a seed.
        unwanted: It is to be cancelled if no slot has it, which a new scheduler has to be told again.
        late: What it fails with, once an outcome has come when its time was up.
    """

    __slots__ = ("function", "future", "id", "late", "payload", "retries", "sent", "unseeded", "unwanted")

    def __init__(
        self, call_id: int, function: int, payload: bytes, retries: int, future: Future[Any]
    ) -> None:
        self.id = call_id
        self.function = function
        self.payload = payload
        self.retries = retries
        self.future: Future[Any] | None = future
        self.sent = True
        self.unseeded = ""
        self.unwanted = False
        self.late: TimeoutError | None = None

    def aside(self, message: PrintedCall | Tally | UnseededCall) -> None:
        """Something is said of it that is no outcome."""
        if isinstance(message, UnseededCall):
            self.unseeded = message.function

    def arrived(self) -> None:
        """An outcome has come. Whoever watches the time of its future may not have run for a while."""
        due: tuple[float, TimeoutError] | None = getattr(self.future, "due", None)
        if due is not None and time.monotonic() >= due[0]:
            self.late = due[1]

    def settle(self, outcome: Span | Failure | KubefutureError | PrintedCall) -> None:
        """Ends the future. Runs the user's code: its callbacks, and what unpickling calls."""
        future = self.future
        if future is None:
            return  # it was cancelled; late results are dropped (R21)
        if isinstance(outcome, PrintedCall):
            output: AsItComes | None = getattr(future, "output", None)
            if output is not None:
                output.heard(outcome)
            return
        if self.unseeded:
            with suppress(Warning):  # this may be a thread in which nobody could catch it
                warn_unseeded(self.unseeded)
        try:
            if isinstance(outcome, KubefutureError):
                future.set_exception(outcome)
            elif isinstance(outcome, Failure) and outcome.kind == "withdrawn":
                future.cancel()
            else:
                self._end(future, outcome)
        except InvalidStateError:
            return  # it was cancelled in this moment
        except Exception as error:
            with suppress(InvalidStateError):
                future.set_exception(error)
        finally:
            self.future = None

    def _end(self, future: Future[Any], outcome: Span | Failure) -> None:
        payload = outcome.payloads[0] if isinstance(outcome, Span) else outcome.payload
        payload = _without_printed(future, payload, self.id)
        if self.late is not None:
            future.set_exception(self.late)
        elif isinstance(outcome, Span):
            future.set_result(unpack_result(payload))
        else:
            future.set_exception(_error_of(future, outcome))

    def abandon(self, error: KubefutureError) -> None:
        """In a fork of the program: the future ends here, without its callbacks, which are its parent's."""
        future: Any = self.future
        self.future = None
        if future is not None:
            future._condition._at_fork_reinit()
            future._done_callbacks.clear()
            with suppress(InvalidStateError):
                future.set_exception(error)


class MapCall:
    """A map: what arrived waits in a queue until the user's thread takes it.

    Attributes:
        payloads: Each element's arguments until its result is here.
        sent: How many elements have been sent over the present connection.
        again: They are being sent once more, after a reconnect.
        closed: The other side knows that no more will come.
        outstanding: Bytes of arguments that are on the way.
        allowance: How many may be.
        complete: All elements are in `payloads`.
        unseeded: As for a TaskCall.
        tally: How it is doing, as far as the scheduler was asked.
    """

    def __init__(
        self, call_id: int, function: int, lock: threading.RLock, *, total: int, chunk_size: int, retries: int
    ) -> None:
        self.id = call_id
        self.function = function
        self.total = total
        self.chunk_size = chunk_size
        self.retries = retries
        self.payloads: list[bytes | None] = []
        self.complete = False
        self.sent = 0
        self.again = False
        self.closed = False
        self.outstanding = 0
        self.allowance = WINDOW_BYTES
        self.settled = 0
        self.cancelled = False
        self.unseeded = ""
        self.tally: Tally | None = None
        self.arrived: deque[Span | Failure | KubefutureError | PrintedCall] = deque()
        self.changed = HelpedCondition(lock)

    @property
    def finished(self) -> bool:
        """Every element is settled, or nobody waits."""
        return self.cancelled or (self.complete and self.settled == len(self.payloads))

    @property
    def caught_up(self) -> bool:
        """Every element so far is settled, and what arrived was taken."""
        return not self.arrived and self.settled == len(self.payloads)

    @property
    def unfinished(self) -> int:
        """How many elements wait or run, as far as is known."""
        return len(self.payloads) - self.settled

    def watching(self) -> TallyRequest:
        """What to ask the scheduler to see how it is doing."""
        return TallyRequest(self.id)

    def span(self, span: Span) -> None:
        """Results arrived; an element that has its result already is left out."""
        payloads = self.payloads
        start, count = span.start, len(span.payloads)
        fresh = 0
        wanted = payloads[start : start + count]
        if None not in wanted:  # as always, unless it was sent twice
            self.outstanding -= sum(map(len, wanted))  # type: ignore[arg-type]
            payloads[start : start + count] = [None] * count
            fresh, count = count, 0
        for index in range(start, start + count):
            payload = payloads[index]
            if payload is not None:
                self.outstanding -= len(payload)
                payloads[index] = None
                fresh += 1
        self.settled += fresh
        self.arrived.append(span)
        self.changed.notify_all()

    def aside(self, message: PrintedCall | Tally | UnseededCall) -> None:
        """Something is said of it that is no outcome."""
        if isinstance(message, UnseededCall):
            self.unseeded = message.function
        elif isinstance(message, Tally):
            self.tally = message
        else:
            self.arrived.append(message)
            self.changed.notify_all()

    def failure(self, failure: Failure) -> None:
        """An element failed for good."""
        payload = self.payloads[failure.index]
        if payload is not None:
            self.outstanding -= len(payload)
            self.payloads[failure.index] = None
            self.settled += 1
        self.arrived.append(failure)
        self.changed.notify_all()

    def opening(self) -> list[Message]:
        """What begins it."""
        return [Open(self.id, self.function, self.total, self.chunk_size, self.retries)]

    def refer(self, function: Function) -> list[Message]:
        """Its next elements refer to more blobs, which this function names: what to send now."""
        return [function]

    def about_blob(self, message: BlobKept | BlobRefused) -> list[Message]:
        """The scheduler has a blob on disk, or cannot: what to send now."""
        return []

    def next_elements(self) -> list[Message]:
        """The next elements to send: as many as may be on the way (R16)."""
        messages: list[Message] = []
        total = len(self.payloads)
        while self.sent < total and (self.outstanding < self.allowance or not self.outstanding):
            batch, indices, size = self._next_batch()
            self.outstanding += size
            self.closed = self.complete and self.sent == total
            if batch or self.closed:
                messages.append(Elements(self.id, batch, self.closed, tuple(indices) if self.again else ()))
        if self.complete and self.sent == total and not self.closed:
            self.closed = True
            messages.append(Elements(self.id, [], True))
        return messages

    def _next_batch(self) -> tuple[list[bytes], list[int], int]:
        """Payloads for one message, their indices where they are sent once more, and their bytes together."""
        ahead = self.payloads[self.sent : self.sent + _BATCH_ELEMENTS]
        if not self.again and None not in ahead:
            whole = cast("list[bytes]", ahead)
            size = sum(map(len, whole))
            if size <= _BATCH_BYTES:
                self.sent += len(whole)
                return whole, [], size
        batch: list[bytes] = []
        indices: list[int] = []
        size = 0
        for payload in ahead:
            if payload is not None:
                batch.append(payload)
                indices.append(self.sent)
                size += len(payload)
            self.sent += 1
            if size >= _BATCH_BYTES:
                break
        return batch, indices, size

    def broken(self, error: KubefutureError) -> None:
        """The connection is lost for good."""
        self.cancelled = True
        self.arrived.append(error)
        self.changed.notify_all()


def _without_printed(future: Future[Any], payload: bytes, number: int) -> bytes:
    """A payload without what was printed, which the future has now. The number is its call's."""
    printed, rest = peel(payload)
    if printed is not None:
        future.printed = [printed]  # type: ignore[attr-defined]
        unasked = getattr(future, "unasked", None)
        if unasked is not None:
            unasked.keep(future, number)
    return rest


def _error_of(future: Future[Any], failure: Failure) -> BaseException:
    error = exception_of(failure)
    if isinstance(error.__cause__, RemoteTraceback):
        named(
            error,
            f"future {getattr(future, 'label', None) or error.__cause__.place.function or 'without a name'}",
        )
    return error


def exception_of(failure: Failure) -> BaseException:
    """The exception that a failure means."""
    _, payload = peel(failure.payload)
    if failure.kind == "poison":
        return poison_error(failure.index, payload)
    return unpack_exception(payload)
