"""Ctrl-C waits for the end of what has to be whole."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import nullcontext

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.core import interrupts
from kubefuture.core.interrupts import undisturbed
from kubefuture.worker import slot_set
from kubefuture.worker.slot_process import SlotProcess

from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually


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


class Late(Exception):
    """A time limit by a signal."""


def late(_number, _frame):
    raise Late


@pytest.fixture
def handlers():
    """The handlers that there are before; they are back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def done_in_spite_of_a_time_limit(within):
    """What a block does after its signal, which is raised at its end."""
    signal.signal(signal.SIGALRM, late)
    done = []

    def step():
        with undisturbed():
            with within:
                signal.raise_signal(signal.SIGALRM)
            done.append("the rest")

    with pytest.raises(Late):
        step()
    return done


def test_a_handler_of_the_users_own_runs_at_the_end_of_the_block(handlers):
    pressed = []
    mine = lambda number, frame: pressed.append((number, frame.f_code.co_name))  # noqa: E731
    signal.signal(signal.SIGINT, mine)
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        assert pressed == []
    assert pressed == [(signal.SIGINT, "test_a_handler_of_the_users_own_runs_at_the_end_of_the_block")]
    assert signal.getsignal(signal.SIGINT) is mine


def test_a_time_limit_by_a_signal_is_raised_at_the_end_of_the_block(handlers):
    assert done_in_spite_of_a_time_limit(nullcontext()) == ["the rest"]
    assert signal.getsignal(signal.SIGALRM) is late


def test_each_of_several_signals_is_handled_though_one_of_them_raises(handlers):
    seen = []
    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))

    def step():
        with undisturbed():
            for number in (signal.SIGALRM, signal.SIGUSR1):
                signal.raise_signal(number)

    with pytest.raises(Late):
        step()
    assert seen == [signal.SIGUSR1]


def test_a_handler_that_is_set_within_the_block_stays(handlers):
    with undisturbed():
        signal.signal(signal.SIGINT, late)
    assert signal.getsignal(signal.SIGINT) is late


def test_a_handler_that_was_looked_up_within_the_block_and_put_back_later_still_works(handlers):
    signal.signal(signal.SIGALRM, late)
    with undisturbed():
        found = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, found)
    with pytest.raises(Late):
        signal.raise_signal(signal.SIGALRM)


def test_blocks_in_blocks_hand_their_signals_outwards(handlers):
    assert done_in_spite_of_a_time_limit(undisturbed()) == ["the rest"]


def test_a_signal_that_comes_while_handlers_are_put_back_leaves_none_of_them_away(handlers):
    """Tried at each line of it that Python runs."""
    line = 0
    while True:
        line += 1
        left = line
        signal.signal(signal.SIGALRM, late)

        def trace(frame, event, _):
            nonlocal left
            if frame.f_code.co_filename != interrupts.__file__:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    signal.raise_signal(signal.SIGALRM)
            return trace

        sys.settrace(trace)
        try:
            with undisturbed():
                pass
            raised = False
        except Late:
            raised = True
        finally:
            sys.settrace(None)
        assert signal.getsignal(signal.SIGALRM) is late
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not raised:
            break
    assert line > 10


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
    assert kf.future(function).result(LIMIT) == "result"
    assert backend.session.error is None


def test_a_local_plan_that_ctrl_c_broke_is_replaced_and_leaves_no_threads(backend, monkeypatch, capfd):
    assert kf.future(os.getpid).result(LIMIT)
    with monkeypatch.context() as amidst:
        amidst.setattr(backend._machine, "received", interrupted)
        with pytest.raises(KeyboardInterrupt):
            kf.future(os.getpid)
    assert backend.session.error is not None
    assert kf.future(os.getpid).result(LIMIT)
    assert current_plan().backend() is not backend
    threads = backend._thread._thread, backend.receiver._thread
    eventually(lambda: not any(thread.is_alive() for thread in threads), "the end of its threads")
    assert "internal error" not in capfd.readouterr().err


def test_R21_an_interrupt_that_gets_lost_comes_again(monkeypatch, checkpoint):
    """Python does not break off a wait if the signal comes after its last look at signals and before the wait."""
    sent = []
    interrupt = SlotProcess.interrupt

    def lose_the_first(slot, lease):
        sent.append(slot.pid)
        if len(sent) > 1:
            interrupt(slot, lease)

    monkeypatch.setattr(slot_set, "INTERRUPT_GRACE", 3600.0)
    monkeypatch.setattr(SlotProcess, "interrupt", lose_the_first)
    with kf.plan("local", workers=1):
        future = kf.future(reach, checkpoint.port)
        visit = checkpoint.next()
        assert future.cancel()
        visit.left()
        assert kf.future(os.getpid).result() == visit.pid, "it was not killed"
    assert len(sent) > 1
