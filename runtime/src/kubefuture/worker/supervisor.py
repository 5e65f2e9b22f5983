"""The supervisor: a worker's connection to its scheduler, and its slots (R2).

It never runs the user's code, so that it can always answer. When the connection is lost its slots go on,
and what they finish is kept. The scheduler that it reaches then is told what it has missed, or, if it has
been started anew, all that the slots have (R7).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from ..core.blob_folder import BlobFolder
from ..core.cgroups import memory_groups
from ..core.connection import Connection
from ..core.identity import hello
from ..core.link import Link, connect
from ..core.nudge import Nudge
from ..core.settings import SIGN_SECONDS
from ..core.slots_file import read_slots
from ..core.trim import Trimmer
from ..errors import KubefutureError, NoAnswerError
from ..protocol.blob_messages import apart
from ..protocol.conversation import Conversation
from ..protocol.messages import (
    Ack,
    AnyMessage,
    Bye,
    Done,
    Leaving,
    Message,
    Predecessor,
    PrintedLease,
    Refused,
    Run,
    Welcome,
)
from .blob_cache import BlobCache
from .diary import Diary
from .gathering import Gathering
from .ledger import Ledger
from .memory import LOOK_SECONDS, MemoryGuard
from .page import MemoryPage, Page
from .remains import Remains
from .slot_set import SlotSet

_LONGEST_PAUSE = 2.0

_BEHIND = 1000
"""With so many messages that the scheduler has not acknowledged, it is not told what elements print."""

TICK_SECONDS = LOOK_SECONDS
"""Time between two looks at the slots: are they alive, and do they need too much memory (R20)?"""


class Supervisor:
    """One worker.

    Args:
        connection: Where the scheduler is.
        slots_file: Holds the wanted number of slots.
        environment: The slots' environment.
        ready: Called once when all slots are connected.
        log: Takes one line for the log.
        place: Where no other worker is at the same time; see `Hello`.
        blobs: The folder for captured data that comes over the connection.
        state: A folder that a restart of the container survives, for what is in flight; None for none.

    Raises:
        StartError: The folder for captured data cannot be used.
    """

    def __init__(
        self,
        connection: Connection,
        slots_file: Path,
        environment: Mapping[str, str],
        ready: Callable[[], None],
        log: Callable[[str], None],
        place: str = "",
        blobs: Path | None = None,
        state: Path | None = None,
    ) -> None:
        self._connection = connection
        self._slots_file = slots_file
        self._wanted = read_slots(slots_file)
        self._ready = ready
        self._link: Link | None = None
        self._joined: Link | None = None
        self._guard: MemoryGuard | None = None
        self._trimmer = Trimmer()
        self._busy = self._leaving = self._said_leaving = self._told_to_end = False
        self._signed = 0.0
        self._hello = hello("worker", place=place)
        self._diary = Diary(log, self._hello.identity)
        loop = asyncio.get_running_loop()
        self._blobs: BlobCache | None = None
        if blobs is not None:
            folder = BlobFolder(
                blobs, Nudge(loop, self._blobs_moved), lambda: cast(BlobCache, self._blobs).used
            )
            self._blobs = BlobCache(folder, self._tell, self._diary.happened)
        self._remains = Remains(state, self._diary.happened) if state is not None else None
        self._gathering = Gathering(loop, self._report)
        self._slots = SlotSet(
            loop,
            page=self._page,
            environment=environment,
            report=self._gathering.report,
            trouble=self._diary.trouble,
            output=sys.stderr.fileno(),
            blobs=self._blobs,
        )
        self._epoch = ""
        self._told: tuple[int, ...] = ()
        self._ledger = Ledger()
        self._conversation = Conversation(self._ledger.acknowledged)
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> str:
        """Works until told to end.

        Returns:
            Why it cannot go on, as a sentence; empty after an orderly end.
        """
        self._tick()
        if self._remains is not None and (struck := self._remains.take_over()):
            self._report([Predecessor(struck)])
        for number in range(self._wanted):
            self._slots.start(number)
        pause, said = 0.05, ""
        while not self.ended.done():
            try:
                link = await connect(self._connection, self._handle)
            except (KubefutureError, OSError) as error:
                # One that listens but does not answer may be reading a long journal.
                if isinstance(error, KubefutureError) and not isinstance(error, NoAnswerError):
                    return str(error)
                if str(error) != said:
                    said = str(error)
                    sentence = f"it cannot be reached, and is tried again and again: {said}"
                    self._diary.happened("scheduler-unreachable", told=sentence)
                await self._wait(asyncio.sleep(pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause, said = 0.05, ""
            self._greet(link)
            await self._wait(link.lost)
            self._parted()
            if not self.ended.done():
                self._diary.happened("scheduler-lost")
        return self.ended.result()

    def _greet(self, link: Link) -> None:
        """Says over a new connection who we are."""
        self._link = link
        self._told, received = tuple(self._slots.numbers), self._conversation.received
        changes = {"slots": self._told, "epoch": self._epoch, "received": received, "leaving": self._leaving}
        self._said_leaving = self._leaving
        link.send([msgspec.structs.replace(self._hello, **changes)])

    def _parted(self) -> None:
        """The connection has ended."""
        self._link = self._joined = None

    def limit_memory(self, per_slot: int) -> None:
        """Ends the largest slot when memory runs short (R20).

        Args:
            per_slot: Bytes for each slot, which they share; 0 for only what the container may have.
        """
        happened = self._diary.happened
        self._guard = MemoryGuard(self._slots, happened, per_slot=per_slot, groups=memory_groups())

    def _tick(self) -> None:
        asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)  # first, so that no failure ends it
        self._slots.check()
        if self._guard is not None:
            self._guard.look()
        now = asyncio.get_running_loop().time()
        if self._blobs is not None:
            self._blobs.collect(now)
        self._trimmer.look(busy=self._busy, now=now)
        self._busy = False
        self._end_if_empty()
        acknowledgement = self._conversation.acknowledgement(soon=True)
        if acknowledgement is None and now - self._signed >= SIGN_SECONDS:
            acknowledgement = Ack(self._conversation.vouched)  # which says nothing new but that we live
        if acknowledgement is not None and self._joined is not None:
            self._joined.send([acknowledgement])
            self._signed = now

    def close(self) -> None:
        """Kills the slots."""
        self._slots.close()
        self._slots.reap()
        if self._blobs is not None:
            self._blobs.close()

    def end(self, reason: str = "") -> None:
        """Makes `run` return."""
        self._gathering.flush()
        if self._remains is not None:
            self._remains.clear()
        if not self.ended.done():
            self.ended.set_result(reason)

    def drain(self) -> None:
        """Makes `run` return when nothing is left that only this worker has; told twice, at once (R17)."""
        if self._told_to_end:
            self.end()
            return
        self._told_to_end = True
        self._leave()

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._diary.happened("leaving")
            self._report([Leaving()])
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if not self._leaving:
            return
        if self._joined is None:
            over = self._ledger.is_empty
        else:
            over = not self._slots.numbers and not self._conversation.kept
        if over:
            if self._joined is not None:
                self._joined.send([Bye()])  # so that nobody waits for it to come back
            self.end()

    def _page(self, slot: int) -> Page:
        return MemoryPage() if self._remains is None else self._remains.page(slot)

    async def _wait(self, event: Awaitable[None]) -> None:
        """Waits for an event or for the end, whichever is first."""
        waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(event), self.ended}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    def _report(self, messages: Sequence[Message]) -> None:
        if self._joined is None or len(self._conversation.kept) > _BEHIND:
            messages = [message for message in messages if not isinstance(message, PrintedLease)]
        if not messages:
            return
        self._busy = self._busy or any(type(message) is Done for message in messages)
        self._diary.reported(messages)
        self._ledger.reported(messages)
        if self._joined is not None:
            self._joined.send(self._conversation.write(messages))
        else:
            self._conversation.send(messages)
        self._say_ready()

    def _tell(self, messages: Sequence[Message]) -> None:
        """Sends what no exchange counts."""
        if self._joined is not None:
            self._joined.send(messages)

    def _blobs_moved(self) -> None:
        assert self._blobs is not None
        if self._blobs.look(asyncio.get_running_loop().time()):
            self._slots.go_on()

    def _say_ready(self) -> None:
        if self._joined is not None and len(self._slots.ready) >= self._wanted:
            self._ready()

    def _handle(self, messages: list[AnyMessage]) -> None:
        first = messages[0]
        if isinstance(first, Refused):
            # Packages have changed, and others come in our place. What is here is finished, and handed over.
            if self._said_leaving or self._ledger.is_empty:
                self.end(first.reason)
            else:
                self._leave()
            return
        if isinstance(first, Welcome):
            self._join(first)
            messages = messages[1:]
        messages, of_blobs = apart(messages)
        if of_blobs and self._blobs is not None:
            self._blobs.received(of_blobs)
            self._blobs_moved()
        for message in self._conversation.receive(messages):
            self._busy = self._busy or type(message) is Run
            self._diary.ordered(message)
            self._ledger.ordered(message)
            self._slots.handle(message)
        self._conversation.vouched = self._conversation.received

    def _join(self, welcome: Welcome) -> None:
        """The scheduler takes us: as the one it knows, or with all that we have."""
        assert self._link is not None
        self._gathering.flush()
        if welcome.resumed:
            missed = self._conversation.resume(welcome.received)
        else:
            missed = self._ledger.brought_along(
                self._told, self._slots.numbers, self._slots.ready, self._conversation.kept
            )
            if self._leaving:
                missed.append(Leaving())
            self._conversation = Conversation(self._ledger.acknowledged)
            self._conversation.send(missed)
        self._diary.happened("scheduler-joined", epoch=welcome.epoch, messages=len(missed))
        self._epoch = welcome.epoch
        self._joined = self._link
        self._joined.send(missed)
        if self._blobs is not None:
            self._blobs.joined()
        self._say_ready()
