"""Ctrl-C waits for the end of what has to be whole."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from kubefuture.core.interrupts import undisturbed


def test_ctrl_c_is_raised_at_the_end_of_the_block():
    done = []

    def step():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ["the rest"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_own_is_left_alone():
    pressed = []
    mine = lambda number, frame: pressed.append(number)  # noqa: E731
    before = signal.signal(signal.SIGINT, mine)
    try:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            assert pressed == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_need_no_guard():
    seen = []

    def work():
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
