"""A socket that any thread sends on: what arrives last, and the end after it."""

from __future__ import annotations

import socket
import threading

import pytest
from kubefuture.client.loop_thread import LoopThread
from kubefuture.core.channel import Channel
from kubefuture.core.receiver import SUPPORTED, Receiver

from tests.faults.waiting import eventually


@pytest.fixture(params=["receiver", "loop"])
def reader(request):
    """What makes a channel of a socket, and what arrived at it; its end is None."""
    if request.param == "receiver" and not SUPPORTED:
        pytest.skip("there is no epoll here")
    thread, lock, arrived = LoopThread("test-io"), threading.RLock(), []
    receiver = Receiver("test-read", lock, lambda: None) if request.param == "receiver" else None

    def open_channel(sock: socket.socket) -> Channel:
        return thread.call(
            lambda: Channel(thread.loop, sock, arrived.append, lambda: arrived.append(None), lock, receiver)
        )

    yield open_channel, arrived
    thread.stop()
    if receiver is not None:
        receiver.close()


def test_a_last_word_and_the_end_that_come_together_are_both_noticed(reader):
    open_channel, arrived = reader
    ours, other = socket.socketpair()
    other.sendall(b"word")
    other.close()
    open_channel(ours)
    eventually(lambda: arrived == [b"word", None], "the word and the end")


def test_what_is_longer_than_a_read_arrives_before_the_end(reader):
    open_channel, arrived = reader
    ours, other = socket.socketpair()
    content = bytes(range(256)) * 400
    other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(content))
    other.sendall(content)
    other.close()
    open_channel(ours)
    eventually(lambda: arrived and arrived[-1] is None, "the end")
    assert b"".join(arrived[:-1]) == content
