"""Results that wait are sent within a moment, whatever the element after them takes (R14)."""

from __future__ import annotations

import socket
import threading

import pytest
from kubefuture.worker.handover import Handover

from tests.faults.waiting import eventually


def test_R14_a_result_that_comes_while_others_are_sent_does_not_wait_for_the_next_element(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair()
    handover, close, late = Handover(ours), Handover._close_part, threading.Event()

    def close_and_append(self: Handover, *, end: bool) -> None:
        close(self, end=end)
        if threading.current_thread() is not threading.main_thread() and not late.is_set():
            late.set()
            self.waiting.append(b"second")  # the thread is not run here for a moment
            if not self.watched:
                self.watch()

    monkeypatch.setattr(Handover, "_close_part", close_and_append)
    handover.begin(1, 0)
    handover.waiting.append(b"first")
    handover.watch()
    eventually(late.is_set, "the first is sent")
    eventually(lambda: not handover.waiting, "so is the second")
    ours.close()
    theirs.close()
