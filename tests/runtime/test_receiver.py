"""A thread that waits reads the sockets itself, and nothing is lost when it stops."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from random import Random

import pytest
from kubefuture.core.receiver import SUPPORTED, HelpedCondition, Receiver

from tests.faults.waiting import LIMIT, eventually

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="there is no epoll here")


class Inbox:
    """Words from a socket, and a condition for who waits for them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.words: deque[tuple[str, int]] = deque()
        self.alone = False
        self.receiver = Receiver("test-read", self.lock, self._after, lambda: self.alone)
        self.condition = HelpedCondition(threading.RLock())
        self.condition.receiver = self.receiver
        self.other, self.ours = socket.socketpair()
        self.ours.setblocking(False)
        self.receiver.add(self.ours.fileno(), self._read)

    def _read(self) -> None:
        while True:
            try:
                word = self.ours.recv(64)
            except BlockingIOError:
                return
            self.words.append((word.decode(), threading.get_ident()))

    def _after(self) -> None:
        with self.condition:
            self.condition.notify_all()

    def wait(self, count: int) -> None:
        with self.condition:
            while len(self.words) < count:
                self.condition.wait()

    def wait_while(self, begin: Callable[[], None]) -> None:
        with self.condition:
            begin()
            while True:  # someone who is late may wake it for a word before
                self.condition.wait()

    def close(self) -> None:
        with self.lock:
            self.receiver.remove(self.ours.fileno())
        self.receiver.close()
        self.ours.close()
        self.other.close()


@pytest.fixture
def inbox():
    inbox = Inbox()
    yield inbox
    inbox.close()


def test_whoever_reads_a_word_the_waiting_thread_sees_it(inbox):
    for number in range(500):
        inbox.other.send(b"word")
        inbox.wait(number + 1)
    assert len(inbox.words) == 500


class Polls:
    """An epoll that notes how its helping threads asked it: patiently, or only for a look."""

    def __init__(self, epoll) -> None:
        self._epoll = epoll
        self.me = threading.get_ident()
        self.patient = 0
        self.looks = 0
        self.asked = threading.Event()

    def __getattr__(self, name: str):
        return getattr(self._epoll, name)

    def poll(self, timeout, events):
        if threading.get_ident() == self.me:
            if timeout == 0.0:
                self.looks += 1
            else:
                self.patient += 1
            self.asked.set()
        return self._epoll.poll(timeout, events)


def asked_for_a_word(inbox, polls: Polls) -> tuple[int, int]:
    """How often this thread looked, and how often it slept, until a word came that was sent once it asked."""
    polls.looks = polls.patient = 0
    polls.asked.clear()

    def answer():
        polls.asked.wait(LIMIT)
        inbox.other.send(b"word")

    answering = threading.Thread(target=answer)
    answering.start()
    inbox.wait(len(inbox.words) + 1)
    answering.join()
    return polls.looks, polls.patient


@pytest.fixture
def polls(inbox, monkeypatch):
    polls = Polls(inbox.receiver._epoll)
    monkeypatch.setattr(inbox.receiver, "_epoll", polls)
    monkeypatch.setattr(inbox.receiver, "_several_cores", True)
    monkeypatch.setattr("kubefuture.core.receiver._WATCH_SECONDS", 60.0)
    inbox.alone = True
    return polls


def test_who_waits_for_one_task_after_the_other_does_not_sleep(inbox, polls):
    asked_for_a_word(inbox, polls)
    for _ in range(20):
        looks, patient = asked_for_a_word(inbox, polls)
        assert looks and not patient


def test_who_waits_sleeps_where_others_have_work_to_do(inbox, polls, monkeypatch):
    asked_for_a_word(inbox, polls)
    inbox.alone = False
    assert not asked_for_a_word(inbox, polls)[0]
    inbox.alone = True
    monkeypatch.setattr(inbox.receiver, "_several_cores", False)
    assert not asked_for_a_word(inbox, polls)[0]


def test_who_waits_sleeps_where_answers_take_long(inbox, polls, monkeypatch):
    monkeypatch.setattr("kubefuture.core.receiver._WATCH_SECONDS", 0.0)
    for _ in range(3):
        looks, patient = asked_for_a_word(inbox, polls)
        assert patient and not looks


def test_time_is_up_for_a_thread_that_does_not_sleep(inbox, polls, monkeypatch):
    asked_for_a_word(inbox, polls)
    monkeypatch.setattr("kubefuture.core.receiver._WATCH_SECONDS", 0.001)
    with inbox.condition:
        assert not inbox.condition.wait(0.01)


def test_two_threads_can_wait_at_once(inbox):
    waiting = [threading.Thread(target=inbox.wait, args=(100,)) for _ in range(2)]
    for thread in waiting:
        thread.start()
    for number in range(100):
        inbox.other.send(b"word")
        inbox.wait(number + 1)
    for thread in waiting:
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_a_thread_that_helps_is_woken_by_what_no_socket_told(inbox):
    def tell():
        with inbox.condition:
            inbox.words.append(("told", 0))
            inbox.condition.notify_all()

    for number in range(200):
        teller = threading.Thread(target=tell)
        teller.start()
        inbox.wait(number + 1)
        teller.join()


def test_time_is_up_for_a_thread_that_helps(inbox):
    with inbox.condition:
        assert not inbox.condition.wait(0.01)


def test_ctrl_c_ends_the_waiting_and_loses_no_word(inbox):
    for number in range(50):
        killer = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            inbox.wait_while(killer.start)
        killer.join()
        inbox.other.send(b"word")
        inbox.wait(number + 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def on_signal():
    """Sets the handler of SIGUSR1 for a test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


def test_a_handler_of_the_users_runs_while_its_thread_waits_which_then_waits_on(inbox, on_signal):
    seen = []
    on_signal(lambda *_: seen.append(len(inbox.words)))

    def answer():
        os.kill(os.getpid(), signal.SIGUSR1)
        eventually(lambda: seen, "the handler")
        inbox.other.send(b"word")

    answering = threading.Thread(target=answer)
    with inbox.condition:
        answering.start()
        while not inbox.words:
            inbox.condition.wait()
    answering.join()
    assert seen == [0]


class LateError(Exception):
    """A time limit."""


def test_after_a_signal_other_threads_that_wait_sleep(inbox, on_signal):
    def fail(*_):
        raise LateError

    on_signal(fail)
    killer = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
    with pytest.raises(LateError):
        inbox.wait_while(killer.start)
    polls = Polls(inbox.receiver._epoll)
    inbox.receiver._epoll = polls

    def wait():
        polls.me = threading.get_ident()
        inbox.wait(1)

    waiting = threading.Thread(target=wait)
    waiting.start()
    asks = polls.asked.wait(LIMIT)
    inbox.other.send(b"word")
    waiting.join(LIMIT)
    assert asks, "it came back again and again, and never slept"


def test_a_handler_that_fails_ends_neither_the_thread_nor_the_other_sockets(inbox):
    failed = []
    inbox.receiver._failed = failed.append
    other, ours = socket.socketpair()
    with other, ours:
        error = ValueError("a bug")

        def fail():
            raise error

        inbox.receiver.add(ours.fileno(), fail)
        other.send(b"word")
        eventually(lambda: failed == [error], "the failure")
        other.send(b"another")
        inbox.other.send(b"word")
        eventually(lambda: inbox.words, "the other socket's word")
        inbox.other.send(b"word")
        inbox.wait(2)
        assert failed == [error], "that socket is read no more"


def test_a_fork_leaves_the_sockets_to_its_parent(inbox):
    child = os.fork()
    if child == 0:
        with inbox.condition:
            os._exit(0 if not inbox.condition.wait(0.01) and not inbox.words else 1)
    inbox.other.send(b"word")
    inbox.wait(1)
    assert os.waitpid(child, 0)[1] == 0


def test_ctrl_c_at_any_moment_of_waiting_leaves_the_lock_free(inbox):
    """Entering a condition could be broken off with the lock held; entering the lock itself cannot."""
    lock = threading.RLock()
    condition = HelpedCondition(lock)
    condition.receiver = inbox.receiver
    armed = threading.Event()
    rounds = 1000
    delays = Random(1)

    def press():
        for _ in range(rounds):
            armed.wait()
            armed.clear()
            time.sleep(delays.random() / 1000)
            os.kill(os.getpid(), signal.SIGINT)

    def wait_until_pressed():
        armed.set()
        while True:
            with lock:
                condition.wait(0.0001)

    hand = threading.Thread(target=press)
    hand.start()
    for _ in range(rounds):
        with pytest.raises(KeyboardInterrupt):
            wait_until_pressed()
        assert not lock._is_owned(), "it was not let go"
    hand.join()
