"""A client's session: its functions and calls, and the messages that go out for them.

Used under the host's lock, from the user's threads and from the I/O thread::

    api ── submit ──> Session ── messages ──> transport ──> machine, here or in the scheduler
        <── calls ──          <── receive ──
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any

from ..core.settings import WINDOW_BYTES
from ..errors import KubefutureError
from ..protocol.messages import (
    AnyMessage,
    Cancel,
    Elements,
    Failure,
    Function,
    Message,
    Open,
    Release,
    Results,
    Slots,
    Task,
    Tasks,
    Welcome,
)  # fmt: skip
from .calls import MapCall, TaskCall

_KEPT_FUNCTIONS = 64
_BATCH_BYTES = 1 << 20
_BATCH_ELEMENTS = 4096


class Session:
    """What a client has under way.

    Args:
        lock: The host's lock; everything here happens under it.
        send: Takes messages for the scheduler.

    Attributes:
        slots: How many slots are connected, as far as the scheduler has said.
        slots_changed: Notified when that changes, and when the session breaks.
    """

    def __init__(self, lock: threading.RLock, send: Callable[[list[Message]], None]) -> None:
        self.lock = lock
        self._send = send
        self._ids = count(1)
        self._calls: dict[int, TaskCall | MapCall] = {}
        self._maps: dict[int, MapCall] = {}
        self._functions: dict[int, Function] = {}
        self._task_functions: OrderedDict[tuple[bytes, bool, bytes], int] = OrderedDict()
        self._uses: dict[int, int] = {}
        self.slots = 0
        self.slots_changed = threading.Condition(lock)
        self.error: KubefutureError | None = None

    @property
    def busy(self) -> bool:
        """Whether somebody waits for something."""
        return bool(self._calls)

    def start_map(self, function: Function, *, total: int, chunk_size: int, retries: int) -> MapCall:
        """Begins a map; `add_elements` follows."""
        with self.lock:
            self._check()
            function = Function(
                next(self._ids),
                function.payload,
                function.shared,
                function.rng,
                function.seed,
                function.own_seeds,
            )
            call = MapCall(
                next(self._ids), function.id, self.lock, total=total, chunk_size=chunk_size, retries=retries
            )
            self._functions[function.id] = function
            self._uses[function.id] = 1
            self._calls[call.id] = self._maps[call.id] = call
            self._send([function, self._open(call)])
            return call

    def add_elements(self, call: MapCall, payloads: list[bytes], *, last: bool) -> None:
        """Takes the next elements of a map, and sends as many as may be on the way (R16)."""
        with self.lock:
            self._check()
            call.payloads.extend(payloads)
            call.complete = last
            messages = self._next_elements(call)
            if messages:
                self._send(messages)
            if call.finished:
                self._end(call)

    def submit(self, function: Function, payload: bytes, retries: int, future: Future[Any]) -> TaskCall:
        """Submits a single future. A function that was sent before is not sent again."""
        with self.lock:
            if self.error is not None:
                self._check()
            messages: list[Message] = []
            function_id = self._task_function(function, messages)
            call = TaskCall(next(self._ids), function_id, payload, retries, future)
            self._calls[call.id] = call
            self._uses[function_id] += 1
            messages.append(Tasks([Task(call.id, function_id, payload, retries)]))
            self._send(messages)
            return call

    def cancel(self, call: TaskCall | MapCall) -> None:
        """The caller does not want the rest of a call any more."""
        with self.lock:
            if call.id in self._calls:
                if isinstance(call, MapCall):
                    call.cancelled = True
                else:
                    call.future = None
                self._send([Cancel((call.id,))])
                self._end(call)

    def receive(self, message: AnyMessage) -> None:
        """A message from the scheduler."""
        if isinstance(message, Results):
            for span in message.spans:
                call = self._calls.get(span.call)
                if call is not None:
                    call.span(span)
                    self._proceed(call)
        elif isinstance(message, Failure):
            call = self._calls.get(message.call)
            if call is not None:
                call.failure(message)
                self._proceed(call)
        elif isinstance(message, (Slots, Welcome)):
            self.slots = message.slots
            self.slots_changed.notify_all()

    def resume(self) -> list[Message]:
        """Everything that a new scheduler has to know: what is not settled is sent again (R4)."""
        messages: list[Message] = list(self._functions.values())
        tasks = [
            Task(call.id, call.function, call.payload, call.retries)
            for call in self._calls.values()
            if isinstance(call, TaskCall)
        ]
        if tasks:
            messages.append(Tasks(tasks))
        for call in self._maps.values():
            call.sent, call.outstanding, call.again, call.closed = 0, 0, True, False
            messages.append(self._open(call))
            messages.extend(self._next_elements(call))
        return messages

    def break_off(self, error: KubefutureError) -> None:
        """The connection is lost for good: whoever waits gets the error."""
        self.error = error
        for call in list(self._calls.values()):
            call.broken(error)
        self._calls.clear()
        self._maps.clear()
        self.slots_changed.notify_all()

    def _check(self) -> None:
        if self.error is not None:
            raise type(self.error)(str(self.error))

    def _proceed(self, call: TaskCall | MapCall) -> None:
        if call.finished:
            self._end(call)
        elif isinstance(call, MapCall) and call.sent < len(call.payloads):
            messages = self._next_elements(call)
            if messages:
                self._send(messages)

    def _end(self, call: TaskCall | MapCall) -> None:
        del self._calls[call.id]
        if self._maps.pop(call.id, None) is not None:
            self._unuse(call.function)
        else:
            self._uses[call.function] -= 1

    def _unuse(self, function: int) -> None:
        self._uses[function] -= 1
        if not self._uses[function]:
            del self._uses[function], self._functions[function]
            self._send([Release((function,))])

    def _task_function(self, function: Function, messages: list[Message]) -> int:
        """The id of a future's function; the latest ones are kept on the other side."""
        key = (function.payload, function.rng, function.seed)
        known = self._task_functions.get(key)
        if known is not None:
            self._task_functions.move_to_end(key)
            return known
        new = Function(next(self._ids), function.payload, function.shared, function.rng, function.seed)
        self._functions[new.id] = new
        self._uses[new.id] = 0
        self._task_functions[key] = new.id
        messages.append(new)
        if len(self._task_functions) > _KEPT_FUNCTIONS:
            for old_key, old in self._task_functions.items():
                if not self._uses[old]:
                    del self._task_functions[old_key], self._uses[old], self._functions[old]
                    messages.append(Release((old,)))
                    break
        return new.id

    def _open(self, call: MapCall) -> Open:
        return Open(call.id, call.function, call.total, call.chunk_size, call.retries)

    def _next_elements(self, call: MapCall) -> list[Message]:
        messages: list[Message] = []
        payloads, total = call.payloads, len(call.payloads)
        while call.sent < total and call.outstanding < WINDOW_BYTES:
            batch: list[bytes] = []
            indices: list[int] = []
            size = 0
            while call.sent < total and size < _BATCH_BYTES and len(batch) < _BATCH_ELEMENTS:
                payload = payloads[call.sent]
                if payload is not None:
                    batch.append(payload)
                    indices.append(call.sent)
                    size += len(payload)
                call.sent += 1
            call.outstanding += size
            call.closed = call.complete and call.sent == total
            if batch or call.closed:
                messages.append(Elements(call.id, batch, call.closed, tuple(indices) if call.again else ()))
        if call.complete and call.sent == total and not call.closed:
            call.closed = True
            messages.append(Elements(call.id, [], True))
        return messages
