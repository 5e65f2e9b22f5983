"""Futures that nobody wants unless a slot has them already, as seen by their session."""

from __future__ import annotations

import threading

from kubefuture.api.futures import Future
from kubefuture.client.session import Session
from kubefuture.core.settings import WINDOW_BYTES
from kubefuture.protocol.messages import Cancel, Failure, Function, Message, Results, Span, Tasks


def session_with(sizes: list[int]) -> tuple[Session, list[Message], list[Future], list]:
    """A session with a future of each of these sizes, and what it has sent."""
    sent: list[Message] = []
    session = Session(threading.RLock(), sent.extend)
    futures = [Future() for _ in sizes]
    calls = [
        session.submit(Function(0, b"f", True), bytes(size), 0, future)
        for size, future in zip(sizes, futures, strict=True)
    ]
    return session, sent, futures, calls


def test_R21_the_scheduler_decides_which_of_them_are_cancelled():
    session, sent, futures, calls = session_with([1, 1])
    session.withdraw(calls)
    assert sent[-1] == Cancel(tuple(call.id for call in calls), waiting=True)
    session.receive(Failure(calls[0].id, 0, "withdrawn", b""))
    session.receive(Results([Span(calls[1].id, 0, [b"\x05\x07"])]))
    session.outcomes.deliver()
    assert futures[0].cancelled()
    assert futures[1].done() and not futures[1].cancelled()


def test_R21_what_was_never_sent_is_cancelled_here():
    session, sent, futures, calls = session_with([WINDOW_BYTES + 1, 1])
    session.withdraw(calls)
    assert sent[-1] == Cancel((calls[0].id,), waiting=True)
    assert futures[1].cancelled() and not futures[0].done()


def test_R4_a_new_scheduler_is_told_again_which_are_not_wanted():
    session, _, _, calls = session_with([1, 1])
    session.withdraw(calls[:1])
    told = session.resume()
    tasks = next(number for number, message in enumerate(told) if isinstance(message, Tasks))
    assert told[tasks + 1] == Cancel((calls[0].id,), waiting=True)


def test_withdrawing_what_is_over_changes_nothing():
    session, _, futures, calls = session_with([1])
    futures[0]._call = calls[0]
    session.receive(Failure(calls[0].id, 0, "withdrawn", b""))
    session.outcomes.deliver()
    session.withdraw(calls)
    assert futures[0].cancelled()
