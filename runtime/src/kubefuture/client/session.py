"""A client's session: its functions and calls, and the messages that go out for them.

Used under the host's lock, from the user's threads and from the I/O thread::

    api ── submit ──> Session ── messages ──> transport ──> machine, here or in the scheduler
        <── calls ──          <── receive ──

Only `outcomes.deliver` runs without the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import Any

from ..core.blobs import BlobFile
from ..core.forks import abandon_in_forks
from ..core.receiver import Receiver
from ..errors import KubefutureError
from ..protocol.messages import (
    AnyMessage,
    BlobKept,
    BlobRefused,
    Cancel,
    Elements,
    Failure,
    Function,
    Message,
    PrintedCall,
    Release,
    Results,
    Resumed,
    Slots,
    Tally,
    Task,
    Tasks,
    UnseededCall,
    Welcome,
)  # fmt: skip
from .calls import MapCall, TaskCall
from .functions import Functions
from .named import AboutNamed, Cancelling, NamedCall, Naming
from .outcomes import Outcomes
from .window import Window

Files = tuple[BlobFile, ...]
"""The blobs that a function refers to."""


class Session:
    """What a client has under way.

    Args:
        lock: The host's lock; everything here happens under it.
        send: Takes messages for the scheduler.

    Attributes:
        slots, cpus: How many slots are connected, and on what types of CPUs, as far as the scheduler has said.
        slots_changed: Notified when that changes, and when the session breaks.
        outcomes: What is given to futures.
        functions: What the scheduler has been sent to call.
        receiver: What a thread that waits for an outcome can help with.
    """

    def __init__(self, lock: threading.RLock, send: Callable[[list[Message]], None]) -> None:
        self.lock = lock
        self._send = send
        self._ids = count(1)
        self._calls: dict[int, TaskCall | MapCall] = {}
        self._maps: dict[int, MapCall] = {}
        self._cancelling = Cancelling()
        self.functions = Functions(self._ids)
        self._window = Window(self._maps)
        self.outcomes = Outcomes()
        self.receiver: Receiver | None = None
        self.slots = 0
        self.cpus: tuple[str, ...] = ()
        self.slots_changed = threading.Condition(lock)
        self.error: KubefutureError | None = None
        abandon_in_forks(self)

    @property
    def busy(self) -> bool:
        """Whether somebody waits for something."""
        return bool(self._calls or self.outcomes)

    @property
    def under_way(self) -> int:
        """How many calls have not ended."""
        return len(self._calls)

    def unfinished(self) -> int:
        """How many elements wait or run."""
        with self.lock:
            return len(self._calls) - len(self._maps) + sum(one.unfinished for one in self._maps.values())

    def has_one_task(self) -> bool:
        """Whether a single future is all that is under way."""
        return len(self._calls) == 1 and not self._maps

    def start_map(
        self, function: Function, files: Files = (), naming: Naming | None = None, *, total: int,
        chunk_size: int, retries: int,
    ) -> MapCall:  # fmt: skip
        """Begins a map, a named one if it is given a name; `add_elements` follows."""
        with self.lock:
            self._check()
            own = self.functions.use_in_map(function, files)
            kind = MapCall if naming is None else partial(NamedCall, naming=naming, blobs=own.blobs)
            call = kind(
                next(self._ids), own.id, self.lock, total=total, chunk_size=chunk_size, retries=retries
            )
            self._begin(call, [own])
            return call

    def replace_function(self, call: MapCall, function: Function, files: Files) -> None:
        """The next elements of a map refer to more blobs than those before."""
        with self.lock:
            if call.id in self._calls:
                self._send(call.refer(self.functions.replace(call.function, function, files)))

    def ask(self, name: str, *, forget: bool = False) -> NamedCall:
        """Asks for the outcomes of a named map, or that it is forgotten."""
        with self.lock:
            self._check()
            call = NamedCall(next(self._ids), 0, self.lock, naming=Naming(name), asked=True)
            call.forgets = forget
            self._begin(call, [])
            return call

    def _begin(self, call: MapCall, before: list[Message]) -> None:
        call.changed.receiver = self.receiver
        self._calls[call.id] = self._maps[call.id] = call
        self._send([*before, *call.opening()])

    @property
    def unaccepted(self) -> NamedCall | None:
        """A named map that the journal does not have all of, or whose cancel; None when the client may leave."""
        named = (call for call in self._maps.values() if isinstance(call, NamedCall))
        return next((call for call in named if not call.accepted), None) or self._cancelling.first

    def watch(self, call: MapCall) -> None:
        """Asks how a map is doing; its `tally` says it later."""
        with self.lock:
            if call.id in self._calls:
                self._send([call.watching()])

    def acknowledged(self, message: Message) -> None:
        """The scheduler has a message in good hands. The lock is held."""
        if isinstance(message, Cancel):
            self._cancelling.acknowledged(message)
        elif isinstance(message, Elements) and isinstance(call := self._calls.get(message.call), NamedCall):
            self._send(call.acknowledged(message))

    def leave(self, call: MapCall) -> None:
        """The caller does not wait for a named map any more; it goes on."""
        with self.lock:
            if call.id in self._calls and isinstance(call, NamedCall) and call.accepted:
                call.cancelled = call.left = True
                self._end(call)

    def add_elements(self, call: MapCall, payloads: list[bytes], *, last: bool) -> None:
        """Takes the next elements of a map, and sends as many as may be on the way (R16)."""
        with self.lock:
            self._check()
            call.payloads.extend(payloads)
            call.complete = last
            if messages := self._window.more(call):
                self._send(messages)
            if call.finished and call.id in self._calls:
                self._end(call)

    def submit(
        self, function: Function, payload: bytes, retries: int, future: Future[Any], files: Files = ()
    ) -> TaskCall:
        """Submits a single future. A function that was sent before is not sent again."""
        with self.lock:
            self._check()
            function_id, new = self.functions.use_in_task(function, files)
            call = TaskCall(next(self._ids), function_id, payload, retries, future)
            self._calls[call.id] = call
            if self._window.full:  # never in the way of a short task
                self._window.hold(call)
                self._send([*new])
            else:
                self._window.outstanding += len(payload)
                self._send([*new, Tasks([Task(call.id, function_id, payload, retries)])])
            if new:
                self.functions.remember(function_id)
            return call

    def cancel(self, call: TaskCall | MapCall) -> None:
        """The caller does not want the rest of a call any more."""
        with self.lock:
            if call.id in self._calls:
                if isinstance(call, MapCall):
                    call.cancelled = True
                    self._cancelling.add(call)
                else:
                    call.future = None
                self._send([Cancel((call.id,))])
                self._end(call)

    def withdraw(self, calls: Iterable[TaskCall]) -> None:
        """Cancels those of some futures that no slot has yet. Without the lock, like `deliver`."""
        with self.lock:
            known = [call for call in calls if call.id in self._calls]
            for call in known:
                call.unwanted = True
                if not call.sent:
                    self._end(call)
                    self.outcomes.append(call, Failure(call.id, 0, "withdrawn", b""))
            self._send([Cancel(tuple(call.id for call in known if call.sent), waiting=True)])
        self.outcomes.deliver()

    def receive(self, message: AnyMessage) -> None:
        """A message from the scheduler."""
        if isinstance(message, Results):
            for span in message.spans:
                call = self._calls.get(span.call)
                if isinstance(call, TaskCall):
                    self._end(call)
                    self.outcomes.append(call, span)
                elif call is not None:
                    call.span(span)
                    self._proceed(call)
            if messages := self._window.go_on(self._calls):
                self._send(messages)
        elif isinstance(message, Failure):
            call = self._calls.get(message.call)
            if isinstance(call, TaskCall):
                self._end(call)
                self.outcomes.append(call, message)
            elif call is not None:
                call.failure(message)
                self._proceed(call)
        elif isinstance(message, AboutNamed):
            named = self._calls.get(message.call)
            if isinstance(named, NamedCall):
                self._send(named.receive(message))
                if named.finished:
                    self._end(named)
        elif isinstance(message, (BlobKept, BlobRefused)):
            for waiting in list(self._maps.values()):
                self._send(waiting.about_blob(message))
                if waiting.finished:
                    self._end(waiting)
        elif isinstance(message, (PrintedCall, Tally, UnseededCall)):
            call = self._calls.get(message.call)
            if isinstance(call, TaskCall) and isinstance(message, PrintedCall):
                self.outcomes.append(call, message)
            elif call is not None:
                call.aside(message)
        elif isinstance(message, (Slots, Welcome)):
            self.slots, self.cpus = message.slots, message.cpus
            self.slots_changed.notify_all()

    def resume(self) -> list[Message]:
        """Everything that a new scheduler has to know: what is not settled is sent again (R4)."""
        messages: list[Message] = [*self.functions.sent]
        self._window.restart(call for call in self._calls.values() if isinstance(call, TaskCall))
        messages += self._window.next(self._calls)
        for call in self._maps.values():
            call.sent, call.outstanding, call.again, call.closed = 0, 0, True, False
            messages += call.opening()
            messages.extend(self._window.more(call))
        messages += self._cancelling.again()
        return [*messages, Resumed()]

    def break_off(self, error: KubefutureError) -> None:
        """The connection is lost for good: whoever waits gets the error, futures with the next delivery."""
        self.error = error
        for call in list(self._calls.values()):
            if isinstance(call, TaskCall):
                self.outcomes.append(call, error)
            else:
                call.broken(error)
        self._calls.clear()
        self._maps.clear()
        self.slots_changed.notify_all()

    def abandon(self) -> None:
        """In a fork of the program: all this is the parent's, which goes on with it over the same sockets."""
        self.lock._at_fork_reinit()  # type: ignore[attr-defined] # who held it may not be here to give it back
        self.error = KubefutureError("This work belongs to the process that this one was forked from.")
        self._send = lambda _: None
        with self.lock:
            for call in self._maps.values():
                call.broken(self.error)
        self.outcomes.abandon([c for c in self._calls.values() if isinstance(c, TaskCall)], self.error)
        self._calls.clear()
        self._maps.clear()

    def _check(self) -> None:
        if self.error is not None:
            raise type(self.error)(str(self.error))

    def _proceed(self, call: MapCall) -> None:
        if call.finished:
            self._end(call)
        elif call.sent < len(call.payloads) and (messages := self._window.more(call)):
            self._send(messages)

    def _end(self, call: TaskCall | MapCall) -> None:
        del self._calls[call.id]
        released: int | None = None
        if isinstance(call, TaskCall):
            released = self.functions.end_task(call.function)
            if self._window.ended(call):
                self._send(self._window.next(self._calls))
        else:
            del self._maps[call.id]
            if call.function:  # else it is somebody else's map
                released = self.functions.end_map(call.function)
        if released is not None:
            self._send([Release((released,))])
