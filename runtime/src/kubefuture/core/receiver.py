"""Sockets that whichever thread is free reads: a thread of its own, or a caller that waits for a result.

A caller that waits on a condition is woken by the thread that reads, which is woken by the socket. One that
reads the socket itself saves the second of these, a quarter of a short task's round trip::

    slot ══ socket ══> epoll ──> the reading thread, or one that waits in `help` ──> handler, under the lock

Of several threads in epoll the kernel wakes the last that came, hence the caller.

Where one short task after the other is waited for, the caller does not even sleep: to be woken takes a core
that had nothing to do a third of such a task's time. It looks again and again, for a millisecond at
most, and only as long as answers come that soon, nothing else is under way, and there is another core.
"""

from __future__ import annotations

import os
import select
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from .forks import abandon_in_forks
from .interrupts import HeldSignals
from .resources import available_cores

SUPPORTED = hasattr(select, "epoll") and hasattr(os, "eventfd")
"""Elsewhere an event loop reads the sockets."""

_EVENTS = 64
_GONE = select.EPOLLHUP | select.EPOLLRDHUP | select.EPOLLERR if SUPPORTED else 0
_ASIDE_SECONDS = 0.001
_WATCH_SECONDS = 0.001
"""Somebody who waits for one short task looks again and again for so long before he sleeps."""


class Receiver:
    """Reads many sockets in a thread of its own, and in a thread that waits.

    Args:
        name: Of the thread.
        lock: The host's lock, held while a handler runs.
        after: Called without the lock after handlers have run.
        alone: Whether what is waited for is the only task that is under way.
        failed: Takes what a handler raised, which is a mistake of ours; the lock is held. That socket is read no
            more, and the others are.

    Attributes:
        active: A handler runs, and `after` is called when it is done. Look at it under the lock.
    """

    def __init__(
        self,
        name: str,
        lock: AbstractContextManager[object],
        after: Callable[[], None],
        alone: Callable[[], bool] = lambda: False,
        failed: Callable[[Exception], None] = traceback.print_exception,
    ) -> None:
        self._lock = lock
        self._after = after
        self._alone = alone
        self._failed = failed
        self._several_cores = available_cores() > 1
        self._prompt = False
        self._handlers: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._helping = threading.Lock()
        self._helper = 0
        self._held: HeldSignals | None = None
        self._closed = False
        self._main_thread = threading.main_thread().ident
        self.active = False
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()
        abandon_in_forks(self)

    def add(self, handle: int, handler: Callable[[], None]) -> None:
        """Calls `handler` when there is something new to read, which it must read to the end.

        It may take a short read for the end. When the other side is gone, too, it is called once more, as
        that would not be told again.
        """
        self._handlers[handle] = handler
        self._epoll.register(handle, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, handle: int) -> None:
        """Reads a descriptor no more. The lock is held, and the descriptor is still open."""
        if self._handlers.pop(handle, None) is not None:
            with suppress(OSError, ValueError):
                self._epoll.unregister(handle)

    def enter(self) -> bool:
        """This thread is going to help; False when it cannot, and then nothing has changed.

        One thread can help at a time. Until `leave` no signal is handled in the main one, since a handler could
        raise in the middle of a step that has to be whole.
        """
        held = None
        if threading.get_ident() == self._main_thread:
            held = HeldSignals(self._come_back)
            held.hold()
        if not self._closed and self._helping.acquire(blocking=False):
            self._helper = threading.get_ident()
            self._held = held
            return True
        if held is not None:
            held.release()
        return False

    def help(self, condition: HelpedCondition, seen: int, deadline: float | None) -> None:
        """Reads sockets in this thread until a condition is notified or it is late, or a signal came.

        Args:
            condition: What is waited for. Its lock is free.
            seen: How often it had been notified before.
            deadline: In seconds of `time.monotonic`, None for none.
        """
        began, held = time.monotonic(), self._held
        if self._prompt and self._several_cores and self._alone():
            while condition.notified == seen and time.monotonic() - began < _WATCH_SECONDS:
                if self._turn(0.0):
                    self._calm()
        while condition.notified == seen and not self._closed and (held is None or not held.came):
            left = None
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0.0:
                    break
            if self._turn(left):
                self._calm()
        self._prompt = time.monotonic() - began < _WATCH_SECONDS

    def leave(self) -> None:
        """This thread helps no more.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed meanwhile; or what another signal's handler raises.
        """
        held, self._held = self._held, None
        self._helper = 0
        self._helping.release()
        if held is not None:
            held.release()

    def wake(self) -> None:
        """Something happened that the thread that helps may wait for."""
        if self._helper and self._helper != threading.get_ident():
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Ends the thread. Nobody helps any more."""
        self._closed = True
        os.eventfd_write(self._wake, 1)
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)
        if not self._thread.is_alive() and self._helping.acquire(timeout=1.0):
            self._epoll.close()
            os.close(self._wake)

    def abandon(self) -> None:
        """In a fork of the program: the parent goes on reading the sockets."""
        self._closed = True
        self._helper = 0
        self._handlers.clear()
        self._epoll.close()

    def _main(self) -> None:
        while not self._closed:
            woken = self._turn(None)
            if self._helper:  # two threads would only be in each other's way; a `wake` was meant for that one
                time.sleep(_ASIDE_SECONDS)
            elif woken:
                self._calm()

    def _come_back(self) -> None:
        """A signal came to the thread that helps."""
        os.eventfd_write(self._wake, 1)

    def _turn(self, timeout: float | None) -> bool:
        """Waits for sockets and handles them; returns whether `wake` was called."""
        woken = False
        events = self._epoll.poll(timeout, _EVENTS)
        if not events:
            return False
        with self._lock:
            self.active = True
            try:
                for handle, what in events:
                    handler = self._handlers.get(handle)
                    if handler is not None:
                        try:
                            handler()
                            if what & _GONE and handle in self._handlers:
                                handler()
                        except Exception as error:
                            self.remove(handle)
                            self._failed(error)
                    elif handle == self._wake:
                        woken = True
            finally:
                self.active = False
        self._after()
        return woken

    def _calm(self) -> None:
        if not self._closed:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)


class HelpedCondition(threading.Condition):
    """A condition whose waiting thread reads a receiver's sockets meanwhile.

    Attributes:
        receiver: None where there is nothing to help with.
        notified: How often all were notified.
        listener: Called with each notification, for who cannot wait; the lock is held.
    """

    listener: Callable[[], object] | None = None
    receiver: Receiver | None = None
    notified = 0

    def wait(self, timeout: float | None = None) -> bool:
        """As the standard one: until it is notified, or time is up."""
        seen = self.notified
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.receiver is not None and self.receiver.enter():
            try:
                released = self._release_save()  # type: ignore[attr-defined]
                try:
                    self.receiver.help(self, seen, deadline)
                finally:
                    self._acquire_restore(released)  # type: ignore[attr-defined]
            finally:
                self.receiver.leave()
            if self.notified != seen:
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
        return super().wait(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def notify_all(self) -> None:
        """As the standard one."""
        self.notified += 1
        if self._waiters:  # type: ignore[attr-defined]
            super().notify_all()
        if self.listener is not None:
            self.listener()
        if self.receiver is not None:
            self.receiver.wake()
