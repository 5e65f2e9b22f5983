"""plan("local"): the machine hosted by this program's own I/O thread, with slots as its children (R1).

    user's threads ── Session ──> Machine ──> SlotSet ══ sockets ══> slots
    any thread     <─ Session <── Machine <── SlotSet <═ Receiver <═════╝

Everything happens under one lock, in whatever thread it begins: a task goes to a free slot straight from
the thread that submits it, and its result may be read by the thread that waits for it. No daemon, no
files; everything is gone with this process, even if that is killed.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..client.loop_thread import LoopThread
from ..client.quiet import Quiet
from ..client.scaling import Scaling
from ..client.session import Session
from ..core.cgroups import memory_groups
from ..core.identity import hello
from ..core.notice import say
from ..core.receiver import SUPPORTED, Receiver
from ..core.resources import machine_memory, slot_environment
from ..errors import KubefutureError
from ..machine.machine import Machine
from ..protocol.messages import Message, Status, Task, Tasks
from ..worker.memory import LOOK_SECONDS, MemoryGuard
from ..worker.slot_set import SlotSet

_CLIENT, _WORKER = 1, 2
_TICK = 0.25
_ROUND_TRIP = 0.0005
_AHEAD = 2


class LocalBackend:
    """Slots of this process.

    Args:
        workers: How many slots, at least 1.
        threads_per_slot: How many threads a slot's numerical libraries may use.

    Raises:
        StartError: There are too few file descriptors.
    """

    def __init__(self, workers: int, threads_per_slot: int = 1) -> None:
        session = self.session = Session(threading.RLock(), self._send)
        self._pid = os.getpid()
        self._inbox: deque[Message] = deque()
        self._later: list[Task] = []
        self._pumping = False
        self._trouble = ""
        self._scaling = Scaling(self.session, self._send)
        self._quiet = Quiet(self.session, lambda: self.why_no_slots)
        self._machine = Machine(
            hello("scheduler"), now=time.monotonic(), round_trip=_ROUND_TRIP, ahead=_AHEAD, wanted=workers
        )
        self._thread = LoopThread("kubefuture-io")
        self.receiver = (
            Receiver(
                "kubefuture-read", session.lock, session.outcomes.deliver, session.has_one_task, self._fail
            )
            if SUPPORTED
            else None
        )
        self.session.receiver = self.receiver
        self._slots = SlotSet(
            self._thread.loop,
            environment=slot_environment(threads_per_slot, os.environ),
            report=self._reported,
            receiver=self.receiver,
            trouble=self._slot_trouble,
            lock=self.session.lock,
        )
        self._guard = MemoryGuard(
            self._slots, _unlogged, groups=memory_groups(), machine=lambda: machine_memory()
        )
        self._thread.call(lambda: self._begin(workers))

    @property
    def n_workers(self) -> int:
        """How many slots there are to be; they start while the program goes on."""
        wanted = self._machine.wanted
        return self.session.slots if wanted is None else wanted

    @property
    def why_no_slots(self) -> str:
        """Why there is no slot."""
        return self._trouble or "they are still starting; the machine may be busy"

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Calls a function in the I/O thread when time has passed."""
        self._thread.call_later(seconds, function)

    def scale(self, slots: int) -> None:
        """Changes the number of slots; returns when they are there, or draining."""
        self._scaling.ask(slots, lambda: self.why_no_slots)

    def close(self) -> None:
        """Kills the slots."""
        if self._pid != os.getpid():  # a fork of the program has no slots
            return
        try:
            self._thread.call_at_the_end(self._slots.close)
            self._thread.call_at_the_end(self._slots.reap)
        finally:
            self._thread.stop()
            if self.receiver is not None:
                self.receiver.close()
            with self.session.lock:
                self.session.break_off(KubefutureError("The plan that this work belonged to has ended."))
            self.session.outcomes.deliver()

    def _begin(self, workers: int) -> None:
        with self.session.lock:
            now = time.monotonic()
            self._machine.connected(_WORKER, hello("worker", slots=range(workers)), now)
            self._machine.connected(_CLIENT, hello("client"), now)
            for number in range(workers):
                self._slots.start(number)
            self._pump()
        self._tick()
        self._watch_memory()

    def _tick(self) -> None:
        self._thread.loop.call_later(_TICK, self._tick)
        self._slots.check()
        self._quiet.look()
        with self.session.lock:
            self._machine.tick(time.monotonic())
            self._pump()

    def _watch_memory(self) -> None:
        self._thread.loop.call_later(LOOK_SECONDS, self._watch_memory)
        with self.session.lock:
            self._guard.look()

    def _send(self, messages: list[Message]) -> None:
        with self.session.lock:
            if len(messages) == 1 and type(messages[0]) is Tasks and self._machine.saturated:
                self._later += messages[
                    0
                ].tasks  # they go together, with the next result: half the work for each
                return
            self._pump((), messages)

    def _reported(self, messages: Sequence[Message]) -> None:
        with self.session.lock:
            self._pump(messages)

    def _slot_trouble(self, sentence: str) -> None:
        self._trouble = sentence

    def _pump(self, reported: Sequence[Message] = (), sent: Sequence[Message] = ()) -> None:
        """Carries messages between the three until there are none."""
        machine, inbox, now = self._machine, self._inbox, time.monotonic()
        if self._later:
            later, self._later = self._later, []
            inbox.append(Tasks(later))
        inbox.extend(sent)
        if self.session.error is not None:
            return  # it is over, and its slots' ends concern nobody
        if self._pumping:
            for message in reported:
                machine.received(_WORKER, message, now)  # type: ignore[arg-type]
            return
        self._pumping = True
        try:
            while True:
                while inbox:  # first, so that a future is there when a slot has room (R11)
                    machine.received(_CLIENT, inbox.popleft(), now)  # type: ignore[arg-type]
                for message in reported:
                    machine.received(_WORKER, message, now)  # type: ignore[arg-type]
                reported = ()
                taken = machine.take()
                if not taken:
                    break
                for message in taken.get(_WORKER, ()):
                    self._slots.handle(message)
                for message in taken.get(_CLIENT, ()):
                    if isinstance(message, Status):
                        self._scaling.answered(message)
                    else:
                        self.session.receive(message)  # type: ignore[arg-type]
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._pumping = False
            if self.session.outcomes and not (self.receiver is not None and self.receiver.active):
                self._thread.loop.call_soon_threadsafe(self.session.outcomes.deliver)

    def _fail(self, error: BaseException) -> None:
        """Half an event was carried out, by a bug or by Ctrl-C in the user's thread. The lock is held.

        Nothing of this state can be trusted, so it ends here, and the plan starts a new one when it is used again.
        """
        self.session.break_off(KubefutureError(f"The local scheduler was interrupted: {error!r}."))
        self._slots.close()
        if isinstance(error, Exception):
            say(f"internal error in the local scheduler: {error!r}")


def _unlogged(_name: str, /, **_fields: object) -> None:
    """There is no log here: what is to be known of a slot's end is in its elements' reports."""
