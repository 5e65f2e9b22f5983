"""Sessions: a client's functions, calls and fair share (R11)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from ..core.settings import STICKY_SECONDS
from ..errors import ProtocolError
from ..protocol.messages import Elements, Function, Hello, Open, OpenNamed, Task
from .calls import Call
from .functions import FunctionState
from .outbox import Peer


class Waiting(dict["SessionState", None]):
    """Sessions that may have something to lease.

    Attributes:
        level: Slot-seconds from which sessions are equal that come to wait: what the one with the least of those that
            waited had when something was leased last. It never sinks.
    """

    level = 0.0

    def rise(self) -> None:
        """Something is about to be leased to one of those that wait."""
        self.level = max(self.level, min(session.usage for session in self))


class SessionState:
    """One client, connected or away.

    Attributes:
        peer: Its conversation; NOBODY while it has not been heard of since the scheduler was started.
        fed: Named maps of earlier sessions of the same run, by this client's numbers.
        told: Its client has told of all that it waits for.
        since: Since when it has not been heard of, in the machine's seconds.
        usage: Slot-seconds it has had; the session with the least is served next.
        slots: How many slots are bound to it.
        gone: The client has left.
        held: Nothing is leased for now, since its client takes no results and there is no room for more.
    """

    __slots__ = (
        "_maps",
        "_tasks",
        "_waiting",
        "calls",
        "fed",
        "functions",
        "gone",
        "held",
        "hello",
        "peer",
        "since",
        "slots",
        "told",
        "usage",
    )

    def __init__(self, peer: Peer, hello: Hello, usage: float, waiting: Waiting) -> None:
        self._waiting = waiting
        self.peer = peer
        self.hello = hello
        self.usage = usage
        self.since = 0.0
        self.told = False
        self.fed: dict[int, Call] = {}
        self.slots = 0
        self.gone = False
        self.held = False
        self.functions: dict[int, FunctionState] = {}
        self.calls: dict[int, Call] = {}
        self._tasks: deque[Call] = deque()
        self._maps: deque[Call] = deque()

    @property
    def has_waiting(self) -> bool:
        """Whether something can be leased now."""
        return bool(self._tasks or self._maps) and not self.held

    @property
    def waiting_calls(self) -> Iterator[Call]:
        """The calls that have something to lease, as far as they are not passed over."""
        return (call for queue in (self._tasks, self._maps) for call in queue if not call.cancelled)

    def add_function(self, message: Function) -> None:
        """Takes a function; what was measured of the one that it replaces still holds."""
        known = self.functions.get(message.id)
        if known is None:
            self.functions[message.id] = FunctionState(message)
        else:
            known.message = message
            known.released = False

    def open(self, message: Open | OpenNamed) -> Call:
        """Begins a map."""
        function = self._function(message.function)
        expected = self.calls.get(message.call)
        if expected is not None:
            expected.begin(function, message.total, message.chunk_size, message.retries)
        else:
            expected = self.calls[message.call] = Call(
                message.call, function, message.total, message.chunk_size, message.retries
            )
        function.calls += 1
        return expected

    def expect(self, call_id: int, function: int) -> Call:
        """A call that a worker knows of before the client has told of it."""
        call = self.calls[call_id] = Call(call_id, FunctionState(Function(function, b"")))
        call.expected, call.early = True, []
        return call

    def add_elements(self, call: Call, message: Elements) -> None:
        """Takes elements of a map."""
        if message.indices:
            call.fill_in(message.indices, message.payloads, last=message.last)
        else:
            call.extend(message.payloads, last=message.last)
        self.enqueue(call)

    def add_task(self, task: Task) -> Call:
        """Takes a single future."""
        function = self.functions.get(task.function) or self._function(task.function)
        call = self.calls.get(task.call)
        if call is None:
            call = self.calls[task.call] = Call(task.call, function, 1, 1, task.retries, [task.payload])
        else:
            call.begin(function, 1, 1, task.retries)
            call.extend([task.payload], last=True)
        function.calls += 1
        call.queued = True
        self._tasks.append(call)
        self._wait()
        return call

    def enqueue(self, call: Call) -> None:
        """Puts a call that has elements waiting into the queue; single futures go before maps (R11)."""
        if call.queued or not call.has_waiting:
            return
        call.queued = True
        if call.total == 1:
            self._tasks.append(call)
        else:
            self._maps.append(call)
        self._wait()

    def hold(self, held: bool) -> None:
        """Says whether nothing is to be leased."""
        self.held = held
        if held:
            self._waiting.pop(self, None)
        self._wait()

    def next_call(self, lacking: Collection[bytes] = (), *, named: bool = True) -> Call | None:
        """The call that is to be served next, if it still has something; maps take turns.

        Args:
            lacking: Calls that refer to these blobs are passed over.
            named: Named maps are served, too.
        """
        for queue in (self._tasks, self._maps):
            while queue:
                call = queue.popleft()
                call.queued = False
                if (
                    call.cancelled
                    or (call.key and not named)
                    or (lacking and call.function.refers_to(lacking))
                ):
                    continue
                return call
        return None

    def end(self, call: Call) -> None:
        """Forgets a call that is over."""
        if self.calls.pop(call.id, None) is None:
            return
        function = call.function
        function.calls -= 1
        if function.released and not function.calls:
            self.functions.pop(function.message.id, None)

    def release(self, function_id: int) -> bool:
        """The client will not use a function again.

        Returns:
            Whether it is forgotten now; otherwise calls still use it.
        """
        function = self.functions.get(function_id)
        if function is None:
            return False
        function.released = True
        if function.calls:
            return False
        del self.functions[function_id]
        return True

    def _wait(self) -> None:
        if self.has_waiting and self not in self._waiting:
            # Who wanted nothing while others worked cannot ask for that time now, but for a little of it.
            self.usage = max(self.usage, self._waiting.level - STICKY_SECONDS)
            self._waiting[self] = None

    def _function(self, function_id: int) -> FunctionState:
        try:
            return self.functions[function_id]
        except KeyError:
            raise ProtocolError(f"Function {function_id} was never sent.") from None
