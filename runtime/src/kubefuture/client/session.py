"""A client's session: its functions and calls, and the messages that go out for them.

Used under the host's lock, from the user's threads and from the I/O thread::

    api ── submit ──> Session ── messages ──> transport ──> machine, here or in the scheduler
        <── calls ──          <── receive ──

Only `deliver` runs without the lock, since it runs the user's code, which may wait for a thread that
wants the lock.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any
from weakref import WeakSet

import msgspec

from ..core.receiver import HelpedCondition, Receiver
from ..errors import KubefutureError, NamedMapError
from ..protocol.messages import (
    AnyMessage,
    Cancel,
    Elements,
    Failure,
    Fetched,
    Forgotten,
    Function,
    Message,
    Named,
    NotNamed,
    Release,
    Results,
    Resumed,
    Slots,
    Span,
    Task,
    Tasks,
    UnseededCall,
    Welcome,
)  # fmt: skip
from .calls import MapCall, TaskCall
from .named import NamedCall, Naming

_KEPT_FUNCTIONS = 64
"""So many functions of futures stay on the other side without a call that uses them."""


_TaskKey = tuple[bytes, bool, bytes, float]
"""What makes two futures' functions the same: payload, rng, seed, limit."""

_living: WeakSet[Session] = WeakSet()


def _drop(_messages: list[Message]) -> None:
    """Sends nothing."""


def _abandon_all() -> None:
    for session in list(_living):
        session.abandon()


os.register_at_fork(after_in_child=_abandon_all)


class Session:
    """What a client has under way.

    Args:
        lock: The host's lock; everything here happens under it.
        send: Takes messages for the scheduler.

    Attributes:
        slots: How many slots are connected, as far as the scheduler has said.
        slots_changed: Notified when that changes, and when the session breaks.
        outcomes: What `deliver` gives to futures.
        receiver: What a thread that waits for an outcome can help with.
    """

    def __init__(self, lock: threading.RLock, send: Callable[[list[Message]], None]) -> None:
        self.lock = lock
        self._send = send
        self._ids = count(1)
        self._calls: dict[int, TaskCall | MapCall] = {}
        self._maps: dict[int, MapCall] = {}
        self._functions: dict[int, Function] = {}
        self._task_functions: dict[_TaskKey, int] = {}
        self._resting: dict[int, None] = {}
        self._uses: dict[int, int] = {}
        self.outcomes: deque[tuple[TaskCall, Span | Failure | KubefutureError]] = deque()
        self.receiver: Receiver | None = None
        self.slots = 0
        self.slots_changed = threading.Condition(lock)
        self.error: KubefutureError | None = None
        _living.add(self)

    @property
    def busy(self) -> bool:
        """Whether somebody waits for something."""
        return bool(self._calls or self.outcomes)

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
                function.limit,
            )
            call = MapCall(
                next(self._ids), function.id, self.lock, total=total, chunk_size=chunk_size, retries=retries
            )
            call.changed.receiver = self.receiver
            self._functions[function.id] = function
            self._uses[function.id] = 1
            self._calls[call.id] = self._maps[call.id] = call
            self._send([function, call.opening()])
            return call

    def start_named(
        self, function: Function, naming: Naming, *, total: int, chunk_size: int, retries: int
    ) -> NamedCall:
        """Begins a named map; `add_elements` follows."""
        with self.lock:
            self._check()
            own = msgspec.structs.replace(function, id=next(self._ids))
            call = NamedCall(
                next(self._ids),
                own.id,
                self.lock,
                naming,
                total=total,
                chunk_size=chunk_size,
                retries=retries,
            )
            self._functions[own.id] = own
            self._uses[own.id] = 1
            self._keep(call, [own])
            return call

    def attach(self, name: str) -> NamedCall:
        """Asks for the outcomes of a named map."""
        with self.lock:
            self._check()
            call = NamedCall(next(self._ids), 0, self.lock, Naming(name), attached=True)
            call.complete = call.closed = True
            self._keep(call, [])
            return call

    def forget(self, name: str) -> NamedCall:
        """Asks that a named map is deleted; the call is finished when it is."""
        with self.lock:
            self._check()
            call = NamedCall(next(self._ids), 0, self.lock, Naming(name), attached=True)
            call.deleting = True
            self._keep(call, [])
            return call

    def _keep(self, call: NamedCall, before: list[Message]) -> None:
        call.changed.receiver = self.receiver
        self._calls[call.id] = self._maps[call.id] = call
        self._send([*before, call.opening()])

    @property
    def accepted(self) -> bool:
        """Whether the journal has all named maps, so that the client may leave."""
        return all(call.accepted for call in self._maps.values() if isinstance(call, NamedCall))

    def acknowledged(self, message: Message) -> None:
        """The scheduler has a message in good hands. The lock is held."""
        if isinstance(message, Elements):
            call = self._calls.get(message.call)
            if isinstance(call, NamedCall):
                self._send(call.acknowledged(message))

    def leave(self, call: MapCall) -> None:
        """The caller does not wait for a named map any more; it goes on."""
        with self.lock:
            if call.id in self._calls and isinstance(call, NamedCall) and call.accepted:
                call.cancelled = True
                self._end(call)

    def add_elements(self, call: MapCall, payloads: list[bytes], *, last: bool) -> None:
        """Takes the next elements of a map, and sends as many as may be on the way (R16)."""
        with self.lock:
            self._check()
            call.payloads.extend(payloads)
            call.complete = last
            messages = call.next_elements()
            if messages:
                self._send(messages)
            if call.finished and call.id in self._calls:
                self._end(call)

    def submit(self, function: Function, payload: bytes, retries: int, future: Future[Any]) -> TaskCall:
        """Submits a single future. A function that was sent before is not sent again."""
        with self.lock:
            if self.error is not None:
                self._check()
            key = function.payload, function.rng, function.seed, function.limit
            known = self._task_functions.get(key)
            if known is None:
                messages = self._new_task_function(key, function)
                known = self._task_functions[key]
            else:
                messages = []
                self._resting.pop(known, None)
            call = TaskCall(next(self._ids), known, payload, retries, future)
            self._calls[call.id] = call
            self._uses[known] += 1
            messages.append(Tasks([Task(call.id, known, payload, retries)]))
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
                if isinstance(call, TaskCall):
                    self._end(call)
                    self.outcomes.append((call, span))
                elif call is not None:
                    call.span(span)
                    self._proceed(call)
        elif isinstance(message, Failure):
            call = self._calls.get(message.call)
            if isinstance(call, TaskCall):
                self._end(call)
                self.outcomes.append((call, message))
            elif call is not None:
                call.failure(message)
                self._proceed(call)
        elif isinstance(message, (Named, Fetched, NotNamed, Forgotten)):
            named = self._calls.get(message.call)
            if isinstance(named, NamedCall):
                self._about_named(named, message)
        elif isinstance(message, UnseededCall):
            call = self._calls.get(message.call)
            if isinstance(call, (TaskCall, MapCall)):
                call.unseeded = message.function
        elif isinstance(message, (Slots, Welcome)):
            self.slots = message.slots
            self.slots_changed.notify_all()

    def _about_named(self, call: NamedCall, message: Named | Fetched | NotNamed | Forgotten) -> None:
        if isinstance(message, Named):
            self._send(call.named(message))
        elif isinstance(message, Fetched):
            self._send(call.fetched(message))
        elif isinstance(message, NotNamed):
            begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.begun))
            call.broken(NamedMapError(message.reason.replace("{begun}", begun)))
        else:
            call.forgotten()
        if call.finished:
            self._end(call)

    def deliver(self) -> None:
        """Gives futures what has arrived for them. Call it without the lock, in any thread."""
        while True:
            try:
                call, outcome = self.outcomes.popleft()
            except IndexError:
                return
            try:
                call.settle(outcome)
            except BaseException as error:  # a callback's SystemExit must not end the I/O thread
                traceback.print_exception(error)

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
            messages.append(call.opening())
            messages.extend(call.next_elements())
        messages.append(Resumed())
        return messages

    def break_off(self, error: KubefutureError) -> None:
        """The connection is lost for good: whoever waits gets the error, futures with the next `deliver`."""
        self.error = error
        for call in list(self._calls.values()):
            if isinstance(call, TaskCall):
                self.outcomes.append((call, error))
            else:
                call.broken(error)
        self._calls.clear()
        self._maps.clear()
        self.slots_changed.notify_all()

    def abandon(self) -> None:
        """In a fork of the program: all this is the parent's, which goes on with it over the same sockets."""
        self.lock = threading.RLock()  # the thread that held the old one may not be here to give it back
        self.error = KubefutureError("This work belongs to the process that this one was forked from.")
        self._send = _drop
        for call in self._maps.values():
            call.changed = HelpedCondition(self.lock)
            with self.lock:
                call.broken(self.error)
        self._calls.clear()
        self._maps.clear()
        self.outcomes.clear()

    def _check(self) -> None:
        if self.error is not None:
            raise type(self.error)(str(self.error))

    def _proceed(self, call: MapCall) -> None:
        if call.finished:
            self._end(call)
        elif call.sent < len(call.payloads):
            messages = call.next_elements()
            if messages:
                self._send(messages)

    def _end(self, call: TaskCall | MapCall) -> None:
        del self._calls[call.id]
        function = call.function
        is_map = self._maps.pop(call.id, None) is not None
        if not function:
            return  # somebody else's map
        self._uses[function] -= 1
        if self._uses[function]:
            return
        if not is_map:
            self._resting[function] = None
            if len(self._resting) <= _KEPT_FUNCTIONS:
                return
            function = next(iter(self._resting))
            known = self._functions[function]
            del self._resting[function]
            del self._task_functions[known.payload, known.rng, known.seed, known.limit]
        del self._uses[function], self._functions[function]
        self._send([Release((function,))])

    def _new_task_function(self, key: _TaskKey, function: Function) -> list[Message]:
        """A future's function that the other side does not have."""
        new = Function(
            next(self._ids),
            function.payload,
            function.shared,
            function.rng,
            function.seed,
            limit=function.limit,
        )
        self._functions[new.id] = new
        self._uses[new.id] = 0
        self._task_functions[key] = new.id
        return [new]
