"""The client's I/O thread at the end of a plan: held up by a callback, asked from within, or gone."""

from __future__ import annotations

import threading

import pytest
from kubefuture.client import loop_thread
from kubefuture.client.loop_thread import LoopThread

from tests.faults.waiting import LIMIT, eventually


@pytest.fixture
def held_up(monkeypatch):
    """A thread that a callback holds up until the event is set."""
    monkeypatch.setattr(loop_thread, "_QUIET_SECONDS", 0.05)
    thread, let_go, begun = LoopThread("held up"), threading.Event(), threading.Event()
    thread.loop.call_soon_threadsafe(lambda: begun.set() or let_go.wait(LIMIT))
    assert begun.wait(LIMIT)
    yield thread, let_go
    let_go.set()
    thread._held_up = False
    thread.stop()


def test_a_callback_that_takes_long_is_waited_for_and_that_is_said(held_up, capsys):
    thread, let_go = held_up
    ended = []
    end = threading.Thread(target=lambda: ended.append(thread.call_at_the_end(lambda: "ended")))
    end.start()
    said = []
    eventually(lambda: said.append(capsys.readouterr().err) or "takes long" in "".join(said), "a line")
    assert ended == []
    let_go.set()
    end.join(LIMIT)
    assert ended == ["ended"] and "".join(said).count("takes long") == 1


def test_a_callback_that_does_not_return_is_not_waited_for_twice(held_up, monkeypatch):
    thread, _ = held_up
    monkeypatch.setattr(loop_thread, "_END_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        thread.call_at_the_end(lambda: None)
    monkeypatch.setattr(loop_thread, "_END_SECONDS", 3600.0)
    with pytest.raises(TimeoutError):
        thread.call_at_the_end(lambda: None)
    thread.stop()


def test_a_callback_can_end_the_thread_that_runs_it():
    thread = LoopThread("ends itself")

    def end():
        found = thread.call_at_the_end(lambda: "ended")
        thread.stop()
        return found

    assert thread.call(end) == "ended"
    eventually(lambda: not thread._thread.is_alive(), "its end")
    thread.loop.close()


def test_what_the_thread_raises_reaches_whoever_asked():
    thread = LoopThread("raises")

    def fail():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        thread.call_at_the_end(fail)
    thread.stop()
