"""A worker's slots: does what the scheduler says, and reports what happens to them.

The same for both hosts: the supervisor behind its connection, and the client's own I/O thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from ..core.receiver import Receiver
from ..core.settings import INTERRUPT_GRACE, SLOT_START_SECONDS
from ..errors import ProtocolError
from ..protocol.messages import (
    AnyMessage,
    Bind,
    Done,
    Interrupt,
    Message,
    Raised,
    Ready,
    ReplaceSlot,
    RetireSlot,
    Returned,
    Revoke,
    Run,
    SlotLost,
    SlotReady,
    StartSlot,
    Welcome,
)  # fmt: skip
from .blob_cache import BlobCache
from .held_back import HeldBack
from .limits import judged, verdict
from .locked import locked
from .output import Outlet
from .page import MemoryPage, Page
from .slot_process import SlotProcess

_LONGEST_PAUSE, _DOUBLINGS = 10.0, 10
_FINISH_SECONDS, _REAP_SECONDS = 2.0, 10.0
_AGAIN_SECONDS = 0.1
"""After this long, and twice as long..., an interrupt is repeated: one in an import, or just before a wait, is lost."""


class SlotSet:
    """Slots by number.

    Args:
        loop: Where they are watched.
        environment: The slots' environment.
        lock: The host's, when several threads call `handle`.
        output: Where their stdout and stderr go, None for our own two.
        report: Takes messages for the scheduler, several at a time; the lock is held.
        receiver: Reads the slots' sockets instead of the loop.
        trouble: Takes a sentence for the log when a slot cannot start.
        blobs: Gets what functions captured; None where slots can map it at once.
        page: Makes the page of the slot with a number; by default one without a file.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        environment: Mapping[str, str],
        report: Callable[[Sequence[Message]], None],
        trouble: Callable[[str], None],
        receiver: Receiver | None = None,
        output: int | None = None,
        lock: AbstractContextManager[object] | None = None,
        blobs: BlobCache | None = None,
        page: Callable[[int], Page] = lambda _number: MemoryPage(),
    ) -> None:
        self._loop = loop
        self._environment = environment
        self._outlet = Outlet(1, 2) if output is None else Outlet(output, output)
        self._lock = lock if lock is not None else nullcontext()
        self._held = HeldBack(blobs)
        self._report = report
        self._receiver = receiver
        self._trouble = trouble
        self._page = page
        self._slots: dict[int, SlotProcess] = {}
        self._numbers: dict[SlotProcess, int] = {}
        self._ready: set[SlotProcess] = set()
        self._starts: dict[int, asyncio.TimerHandle] = {}
        self._failures = 0
        self._closed = False

    @property
    def ready(self) -> list[tuple[int, int]]:
        """The slots that are up: number and process id."""
        return [(number, slot.pid) for number, slot in sorted(self._slots.items()) if slot in self._ready]

    @property
    def numbers(self) -> list[int]:
        """The slots that there are, those that start or are to be tried again included."""
        return sorted({*self._slots, *self._starts})

    @locked
    def start(self, number: int) -> None:
        """Starts a slot. Call it in the loop's thread: the slot ends with the thread that started it."""
        self._cancel_start(number)
        if self._closed or number in self._slots:
            return
        try:
            slot = SlotProcess(
                self._loop, self._environment, self._outlet, self._received, self._ended, self._lock,
                self._receiver, self._page(number),
            )  # fmt: skip
        except OSError as error:
            self._failed(number, f"a slot cannot be started: {error}")
            return
        self._slots[number] = slot
        self._numbers[slot] = number
        self._loop.call_later(SLOT_START_SECONDS, self._give_up, number, slot.pid)

    def handle(self, message: Message) -> None:
        """Does what the scheduler says. May be called from any thread that holds the host's lock.

        Raises:
            ProtocolError: It names a slot that is not there.
        """
        match message:
            case StartSlot():
                self._loop.call_soon_threadsafe(self.start, message.slot)
            case Run() if (slot := self._slots.get(message.slot)) is not None and slot.is_bound:
                slot.run(self._held.run(message))
            case Bind() if (slot := self._slots.get(message.slot)) is not None and slot.pid == message.pid:
                self._held.bound(message)
                slot.bind(message)
            case Revoke():
                slot = self._slots.get(message.slot)
                back = self._held.revoke(message.slot, message.leases)
                back += slot.revoke(message.leases) if slot is not None else ()
                self._report([Returned(message.slot, back)])
            case Interrupt() if (slot := self._slots.get(message.slot)) is not None:
                self._interrupt(message, slot)
            case RetireSlot():
                self._loop.call_soon_threadsafe(self._retire, message.slot)
            case ReplaceSlot():
                self._loop.call_soon_threadsafe(self._replace, message.slot, message.pid)
            case Run() | Bind() | Interrupt() | Welcome():
                pass  # it was meant for a process that died meanwhile, and whose end is on the way
            case _:
                raise ProtocolError(f"A {type(message).__name__} does not belong here.")

    @locked
    def go_on(self) -> None:
        """Blobs have arrived, or cannot be had: passes on what waited for them."""
        for message in self._held.released():
            if message.slot in self._slots:
                self._slots[message.slot].run(message)

    @locked
    def check(self) -> None:
        """Notices deaths that no socket told, elements that run too long (R22), and what is to be seen live.

        The host calls it a few times a second, in the loop's thread.
        """
        self._outlet.look()
        for slot in list(self._numbers):
            slot.check()
            if slot not in self._numbers:  # it was seen to be dead, and nothing is to be asked of it
                continue
            self._report([said for said in [slot.printed_so_far()] if said is not None])
            overrun = slot.too_long(self._loop.time())
            if overrun is None or overrun == slot.overrun or self._slots.get(self._numbers[slot]) is not slot:
                continue
            slot.overrun = overrun
            self._stop(slot, overrun.lease)

    def end(self, number: int, cause: str) -> None:
        """Kills a slot for something that it did; `cause` is how its end is reported."""
        slot = self._slots.get(number)
        if slot is not None:
            slot.cause = cause
            slot.kill()

    @locked
    def close(self) -> None:
        """Kills all slots at once."""
        self._closed = True
        for slot in list(self._numbers):
            slot.kill()

    @locked
    def reap(self) -> None:
        """After `close`, in the loop's thread: waits for their ends, and leaves neither zombies nor sockets.

        What they had printed is passed on.
        """
        slots, self._numbers = list(self._numbers), {}  # a look at them may be due already
        until = time.monotonic() + _REAP_SECONDS
        for slot in slots:
            slot.reap(until)
        self._outlet.close()

    @locked
    def _retire(self, number: int) -> None:
        slot = self._slots.get(number)
        if slot is None:  # the process before died, and the next one waits to be tried again
            if number in self._starts:
                self._cancel_start(number)
                self._report([SlotLost(number, 0, -1, "was not started again", True, True)])
            return  # otherwise it was retired before, and that it is gone has been said
        slot.retired = True
        self._finish(slot)

    @locked
    def _replace(self, number: int, pid: int) -> None:
        slot = self._slots.get(number)
        if slot is None or slot.pid != pid:
            return  # it died meanwhile, so it is replaced already
        self._finish(slot)
        del self._slots[number]
        self._held.forget(number)
        self.start(number)

    def _finish(self, slot: SlotProcess) -> None:
        slot.finish()
        self._loop.call_later(_FINISH_SECONDS, slot.kill)

    def _interrupt(self, message: Interrupt, slot: SlotProcess) -> None:
        lease = message.lease
        held = self._held.revoke(message.slot, (lease,))
        if held or (lease in slot.leases and slot.revoke((lease,))):
            self._report([Returned(message.slot, (lease,))])
        elif lease in slot.leases:
            self._stop(slot, lease)

    def _stop(self, slot: SlotProcess, lease: int) -> None:
        """SIGINT for what a slot runs, and SIGKILL if it does not listen (R21)."""
        back = slot.revoke(tuple(other for other in slot.leases if other != lease))
        slot.interrupt(lease)
        if back:
            self._report([Returned(self._numbers[slot], back)])
        soon, later = self._loop.call_soon_threadsafe, self._loop.call_later
        soon(later, INTERRUPT_GRACE, self._kill_if_running, slot, lease)
        soon(later, _AGAIN_SECONDS, self._interrupt_again, slot, lease, _AGAIN_SECONDS)

    @locked
    def _interrupt_again(self, slot: SlotProcess, lease: int, pause: float) -> None:
        if slot in self._numbers and lease in slot.leases:
            slot.interrupt(lease)
            self._loop.call_later(2 * pause, self._interrupt_again, slot, lease, 2 * pause)

    @locked
    def _kill_if_running(self, slot: SlotProcess, lease: int) -> None:
        if lease in slot.leases:
            slot.ending, slot.cause = True, slot.cause or "killed some time after it was interrupted"
            slot.kill()

    def _received(self, slot: SlotProcess, messages: list[AnyMessage]) -> None:
        number = self._numbers[slot]
        if self._slots.get(number) is not slot:
            return
        if slot not in self._ready:
            if isinstance(messages[0], Ready):
                self._ready.add(slot)
                self._failures = 0
                self._report([SlotReady(number, slot.pid)])
            return
        if slot.overrun is not None:
            messages = judged(messages, slot.overrun)
        for message in messages:
            if isinstance(message, Done):
                for part in message.parts:
                    if part.end:
                        slot.leases.pop(part.lease, None)
            elif isinstance(message, Raised) and message.end:
                slot.leases.pop(message.lease, None)
        if slot.overrun is not None and slot.overrun.lease not in slot.leases:
            slot.overrun = None
        self._report(messages)

    @locked
    def _ended(self, slot: SlotProcess) -> None:
        number = self._numbers.pop(slot)
        was_ready = slot in self._ready
        self._ready.discard(slot)
        lease, index, reason = slot.last_words()
        overran = slot.overrun is not None and slot.overrun[:2] == (lease, index)
        printed = slot.printed() if overran else None
        slot.release()
        if self._slots.get(number) is not slot:
            return
        del self._slots[number]
        self._held.forget(number)
        if overran and slot.overrun is not None:
            self._report([verdict(slot.overrun, end=True, printed=printed)])
            lease, index, slot.ending = 0, -1, True
        if slot.retired:
            self._report([SlotLost(number, lease, index, reason, True, True)])
        elif was_ready:
            self.start(number)
            output = slot.last_lines if lease and not slot.ending else ""
            self._report([SlotLost(number, lease, index, reason, slot.ending, output=output)])
        else:
            self._failed(number, f"a slot ended before it was ready ({reason})")

    def _failed(self, number: int, sentence: str) -> None:
        pause = min(0.1 * 2**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, _DOUBLINGS)
        self._trouble(f"{sentence}; the next try is in {pause:.1f} s")
        self._starts[number] = self._loop.call_later(pause, self.start, number)

    def _cancel_start(self, number: int) -> None:
        waiting = self._starts.pop(number, None)
        if waiting is not None:
            waiting.cancel()

    @locked
    def _give_up(self, number: int, pid: int) -> None:
        slot = self._slots.get(number)  # a timer that held the slot would keep what it had read for a minute
        if slot is not None and slot.pid == pid and slot not in self._ready:
            slot.kill()
