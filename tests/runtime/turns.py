"""Whose turn it is: looked at with every lease of a random run (R11)."""

from __future__ import annotations

from typing import Any

from kubefuture.core.settings import STICKY_SECONDS
from kubefuture.machine import assign, machine
from kubefuture.machine.calls import Call
from kubefuture.machine.sessions import SessionState
from kubefuture.machine.slots import SlotState
from kubefuture.machine.state import State


class Turns:
    """Who was served while somebody else of the same session waited without a break.

    Attributes:
        leases: How many leases were looked at.
        chosen: With how many of them a map could have come too often.
        bound: How many slots were given to one of several sessions.
    """

    def __init__(self) -> None:
        self.leases = self.chosen = self.bound = 0
        self._served: dict[Call, set[Call]] = {}
        self._now = 0.0

    def waits(self, call: Call) -> None:
        """A call is at the end of its session's queue."""
        self._served[call] = set()

    def filled(self, now: float) -> None:
        """What can be leased is leased."""
        self._now = now

    def leased(self, state: State, slot: SlotState, session: SessionState, call: Call) -> None:
        """A slot is given some of a call."""
        self.leases += 1
        behind = min(state.waiting, key=lambda one: one.usage)
        if behind.usage < session.usage and behind.slots < session.slots:
            assert self._now - slot.bound_at < STICKY_SECONDS, (
                "R11: a slot whose ten seconds are over is given to who has had less"
            )
        if call.total == 1:
            return
        assert all(task.cancelled for task in session._tasks), "R11: single futures go before maps"
        for other in session._maps:
            if other is not call and not other.cancelled:
                self.chosen += 1
                assert call not in self._served[other], "R11: no map has two turns while another one waits"
                self._served[other].add(call)

    def given(self, state: State, session: SessionState) -> None:
        """A fresh slot is given to a session."""
        self.bound += len(state.waiting) > 1
        assert session.usage == min(one.usage for one in state.waiting), (
            "R11: a fresh slot goes to who has had least"
        )


def watch_turns(monkeypatch: Any) -> Turns:
    """Looks at all leases of all machines."""
    turns = Turns()
    fill, send_lease, bind, enqueue = assign.fill, assign.send_lease, assign.bind, SessionState.enqueue

    def noted_fill(state: State, now: float, **more: float) -> None:
        turns.filled(now)
        fill(state, now, **more)

    def noted_lease(state: State, slot: SlotState, session: SessionState, call: Call, *taken: Any) -> int:
        turns.leased(state, slot, session, call)
        return send_lease(state, slot, session, call, *taken)

    def noted_bind(state: State, slot: SlotState, session: SessionState, now: float) -> None:
        turns.given(state, session)
        bind(state, slot, session, now)

    def noted_enqueue(session: SessionState, call: Call) -> None:
        queued = call.queued
        enqueue(session, call)
        if call.queued and not queued:
            turns.waits(call)

    monkeypatch.setattr(machine, "fill", noted_fill)
    monkeypatch.setattr(assign, "send_lease", noted_lease)
    monkeypatch.setattr(assign, "bind", noted_bind)
    monkeypatch.setattr(SessionState, "enqueue", noted_enqueue)
    return turns
