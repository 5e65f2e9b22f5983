"""Ctrl-C waits for the end of what has to be whole."""

from __future__ import annotations

import os
import signal
import threading

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.core.interrupts import undisturbed

from tests.faults.waiting import eventually


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


@pytest.fixture
def backend():
    """The back end of a local plan."""
    with kf.plan("sequential"):
        kf.plan("local", workers=1)
        plan = current_plan()
        yield plan.backend()
        plan.close()


def interrupted(*_: object) -> None:
    """Ctrl-C in the place of a step."""
    raise KeyboardInterrupt


def test_a_function_that_ctrl_c_kept_from_being_sent_is_sent_with_the_next_future(backend, monkeypatch):
    def function():
        return "result"

    with monkeypatch.context() as before:
        before.setattr(backend.session, "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            kf.future(function)
    assert kf.future(function).result(60) == "result"
    assert backend.session.error is None


def test_a_local_plan_that_ctrl_c_broke_is_replaced_and_leaves_no_threads(backend, monkeypatch, capfd):
    assert kf.future(os.getpid).result(60)
    with monkeypatch.context() as amidst:
        amidst.setattr(backend._machine, "received", interrupted)
        with pytest.raises(KeyboardInterrupt):
            kf.future(os.getpid)
    assert backend.session.error is not None
    assert kf.future(os.getpid).result(60)
    assert current_plan().backend() is not backend
    threads = backend._thread._thread, backend.receiver._thread
    eventually(lambda: not any(thread.is_alive() for thread in threads), "the end of its threads")
    assert "internal error" not in capfd.readouterr().err
