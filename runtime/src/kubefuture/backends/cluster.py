"""plan("cluster"): work goes to a scheduler daemon over one connection.

    user's threads ── Session ── inbox ──> I/O thread ══ login, frames ══> scheduler

When the connection is lost the client connects again. The scheduler goes on where it stopped, or, if it has
been started anew, is told everything that is not settled once more (R4): it costs time, not results.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path

import msgspec

from ..client.bits import Bits
from ..client.leaving import wait_for_the_journal
from ..client.loop_thread import LoopThread
from ..client.mistakes import declared
from ..client.quiet import Quiet
from ..client.scaling import Scaling
from ..client.session import Session
from ..client.trying import Trying
from ..core.blob_lane import Lane
from ..core.connection import Connection
from ..core.direct_link import DirectLink, connect_directly
from ..core.identity import hello
from ..core.link import Link, connect, no_answer
from ..core.notice import say
from ..core.receiver import SUPPORTED, Receiver
from ..errors import KubefutureError, VersionError
from ..protocol.blob_messages import apart
from ..protocol.conversation import Conversation
from ..protocol.limits import LOGIN_SECONDS
from ..protocol.messages import AnyMessage, BlobWanted, Bye, Message, Refused, Status, Welcome

_PAUSE = 0.2
_FEW = 16
"""With fewer calls under way each message is sent at once; otherwise those that come together go together."""

_ACKNOWLEDGE_SECONDS = 0.25
_GOODBYE_SECONDS, _QUIET_SECONDS = LOGIN_SECONDS, 5.0
"""A program that ends tries for so long to say so to a scheduler that it has just lost; when that is worth a line."""


class ClusterBackend:
    """A session with a scheduler.

    Args:
        path: The connection file.

    Raises:
        ClusterError: There is no cluster, it does not answer, or it does not fit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = Connection.load(path)
        session = self.session = Session(threading.RLock(), self._send)
        self._pid = os.getpid()
        self.receiver: Receiver | None = None
        if SUPPORTED and self._connection.socket_path:
            self.receiver = Receiver(
                "kubefuture-read", session.lock, session.outcomes.deliver, session.has_one_task, self._fail
            )
        session.receiver = self.receiver
        self._inbox: deque[Message] = deque()
        self._awake = self._closing = False
        self._link: Link | DirectLink | None = None
        self._greeted: Link | DirectLink | None = None
        self._hello, self._epoch = hello("client"), ""
        self._conversation = Conversation(self.session.acknowledged)
        self._welcomed: asyncio.Future[None] | None = None
        self._scaling = Scaling(self.session, self._send)
        self._bits = Bits(session)
        self._quiet = Quiet(self.session, lambda: self.why_no_slots)
        self._thread = LoopThread("kubefuture-io")
        started = asyncio.run_coroutine_threadsafe(self._reach(first=True), self._thread.loop)
        try:
            started.result()
        except BaseException as error:
            self._end_threads()
            if isinstance(error, OSError) and not isinstance(error, KubefutureError):
                raise no_answer(self._connection, path, error) from None
            raise
        self._thread.call_later(_ACKNOWLEDGE_SECONDS, self._acknowledge)
        self._task = asyncio.run_coroutine_threadsafe(self._stay_connected(), self._thread.loop)
        say(
            f"using the {self._connection.provider} cluster of project {self._connection.project}, "
            f"{self.session.slots} worker{'s' if self.session.slots != 1 else ''}"
        )

    @property
    def n_workers(self) -> int:
        """How many slots are connected."""
        return self.session.slots

    @property
    def why_no_slots(self) -> str:
        """Why there is no slot, as far as a client can tell."""
        if self._link is None:
            return "the connection to the scheduler is lost and tried again"
        return "the cluster has none at the moment; see `make status` and `make logs`, or `make scale N=2`"

    @property
    def _why_slots_are_missing(self) -> str:
        if self._link is None:
            return self.why_no_slots
        return "the cluster has not started the others yet; see `make status` and `make logs`"

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Calls a function in the I/O thread when time has passed."""
        self._thread.call_later(seconds, function)

    def scale(self, slots: int) -> None:
        """Changes the number of slots; returns when they are there, or draining."""
        self._scaling.ask(slots, lambda: self._why_slots_are_missing)

    def close(self) -> None:
        """Says goodbye; the session's unnamed work is cancelled (R10)."""
        if self._pid != os.getpid():
            return
        self._bits.look()
        if not wait_for_the_journal(self.session):
            say("the scheduler has not accepted all named work that this program began: it is incomplete")
        self._closing = True
        try:
            self._thread.call_at_the_end(self._leave)
            self._say_goodbye()
        finally:
            self._end_threads()
            with self.session.lock:
                self.session.break_off(KubefutureError("The plan that this work belonged to has ended."))
            self.session.outcomes.deliver()

    def _say_goodbye(self) -> None:
        """The task ends by itself, soon after the connection."""
        if not self._thread.is_current and not wait([self._task], _QUIET_SECONDS).done:
            say("the scheduler does not answer, and is told once more that this program ends")
            wait([self._task], _GOODBYE_SECONDS)
        self._task.cancel()

    def _leave(self) -> None:
        with self.session.lock:  # another thread may send in this moment
            if self._link is not None:
                self._link.send([Bye()])
                self._link.close()

    def _end_threads(self) -> None:
        self._thread.stop()
        if self.receiver is not None:
            self.receiver.close()

    async def _connect(self) -> None:
        self._welcomed = asyncio.get_running_loop().create_future()
        link: Link | DirectLink
        if self.receiver is not None and self._connection.socket_path:
            link = await connect_directly(self._connection, self._receive, self.session.lock, self.receiver)
        else:
            link = await connect(self._connection, self._receive)
        with self.session.lock:
            self._greet(link)
        lost = asyncio.ensure_future(link.lost)
        await asyncio.wait({lost, self._welcomed}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not self._welcomed.done():
                raise link.failure or ConnectionResetError("the scheduler closed the connection")
            self._welcomed.result()
        except BaseException:
            link.close()  # at once, also when whoever refused us keeps its end open
            raise

    def _greet(self, link: Link | DirectLink) -> None:
        """Says over a new connection who we are."""
        received = self._conversation.received
        link.send([msgspec.structs.replace(self._hello, epoch=self._epoch, received=received)])
        self._greeted = link

    def _join(self, welcome: Welcome) -> None:
        """The scheduler takes us: as the one it knows, or with all that we wait for."""
        assert self._greeted is not None
        self.session.receive(welcome)
        self._epoch = welcome.epoch
        if welcome.resumed:
            missed = self._conversation.resume(welcome.received)
        else:
            self._conversation = Conversation(self.session.acknowledged)
            self._inbox.clear()
            missed = self.session.resume()
            if self._scaling.wish is not None:
                missed.append(self._scaling.wish)
            self._conversation.send(missed)
        self._link = self._greeted
        self._link.lane = Lane(self._link.send, self._read_blob)
        self._link.send(missed)
        self._flush()

    async def _stay_connected(self) -> None:
        try:
            while True:
                link = self._link
                assert link is not None
                await link.lost
                self._link = None
                if link.failure is not None:  # over the next connection it would come again
                    raise link.failure
                if self._closing or self.session.error is not None or not await self._reach():
                    return
        except Exception as error:
            with self.session.lock:
                self._fail(error)
            self.session.outcomes.deliver()

    def _fail(self, error: Exception) -> None:
        """Whoever waits gets the error, and nothing goes on. The lock is held."""
        self.session.slots = 0
        self.session.break_off(declared(error))
        if isinstance(self._greeted, DirectLink):
            self._greeted.break_off()

    async def _reach(self, *, first: bool = False) -> bool:
        """Connects; False when the program ends meanwhile. The file is read anew, as its token may be.

        A program that ends tries once more, to say goodbye: who is only away keeps its work for a day (R10).
        """
        trying = Trying(self._connection, time.monotonic(), first=first)
        while True:
            ending = self._closing
            try:
                self._connection = Connection.load(self._path)
                await self._connect()
                if self._closing:
                    self._leave()
                return True
            except OSError as error:
                if ending:
                    return False
                trying.failed(error, time.monotonic())
                await asyncio.sleep(_PAUSE)

    def _send(self, messages: list[Message]) -> None:
        self._inbox.extend(messages)
        if isinstance(self._link, DirectLink) and self.session.under_way <= _FEW:
            try:
                self._flush()
            except BaseException:  # Ctrl-C: whether it was sent is not known, so the exchange begins anew
                self._epoch = ""
                self._link.break_off()
                raise
        elif not self._awake:
            self._thread.loop.call_soon_threadsafe(self._flush)
            self._awake = True  # after it, so that Ctrl-C between the two leaves nothing unsent

    def _flush(self) -> None:
        with self.session.lock:
            self._awake = False
            if self._link is None:
                return  # it is sent when the scheduler has taken us
            messages = [self._inbox.popleft() for _ in range(len(self._inbox))]
            self._link.send(self._conversation.write(messages))

    def _receive(self, messages: list[AnyMessage]) -> None:
        with self.session.lock:
            first = messages[0]
            if isinstance(first, Refused):
                self._answer(VersionError(first.reason))
                return
            if isinstance(first, Welcome):
                self._join(first)
                messages = messages[1:]
            messages, of_blobs = apart(messages)
            for message in self._conversation.receive(messages):
                if isinstance(message, Status):
                    self._scaling.answered(message)
                else:
                    self.session.receive(message)
            self._conversation.vouched = self._conversation.received
            if isinstance(first, Welcome):
                self._answer(None)
            for asked in of_blobs:
                if isinstance(asked, BlobWanted) and self._link is not None and self._link.lane is not None:
                    self._link.lane.want(asked)
            helped = self.receiver is not None and self.receiver.active
        if not helped:  # else that is done when the lock is free
            self.session.outcomes.deliver()

    def _read_blob(self, digest: bytes, start: int, stop: int) -> bytes | None:
        """Bytes of what a function captured; None when nothing refers to it any more."""
        with self.session.lock:
            file = self.session.functions.blob(digest)
        return None if file is None else file.read(start, stop)

    def _acknowledge(self) -> None:
        """A scheduler keeps results until it knows that they are here."""
        self._quiet.look()
        self._bits.look()
        with self.session.lock:
            if self._inbox:  # Ctrl-C came before it was sent
                self._flush()
            acknowledgement = self._conversation.acknowledgement(soon=True)
            if acknowledgement is not None and self._link is not None:
                self._link.send([acknowledgement])
        if not self._closing:
            self._thread.loop.call_later(_ACKNOWLEDGE_SECONDS, self._acknowledge)

    def _answer(self, error: KubefutureError | None) -> None:
        self._thread.loop.call_soon_threadsafe(self._set_answer, error)

    def _set_answer(self, error: KubefutureError | None) -> None:
        if self._welcomed is not None and not self._welcomed.done():
            if error is None:
                self._welcomed.set_result(None)
            else:
                self._welcomed.set_exception(error)
