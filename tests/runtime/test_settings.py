"""The rules' numbers are the settings' defaults, and the settings are what is gone by, in virtual time."""

from __future__ import annotations

import threading
from types import ModuleType, SimpleNamespace

import pytest
from kubefuture.client import quiet as client_quiet
from kubefuture.core import patience, settings
from kubefuture.core.settings import (
    INTERRUPT_GRACE,
    LEASE_SECONDS,
    MAX_CREDITS,
    QUIET_SECONDS,
    SESSION_SECONDS,
)
from kubefuture.machine import roster
from kubefuture.machine.policy import credit_limit
from kubefuture.protocol import limits
from kubefuture.scheduler.party import Party
from kubefuture.worker import memory

from tests.runtime.fakes import SLOTS
from tests.runtime.virtual import hello, virtual_time  # noqa: F401
from tests.runtime.world import World

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

NUMBERS = [
    ("R3", settings, "STICKY_SECONDS", 10),
    ("R7", settings, "LEASE_SECONDS", 30),
    ("R7", settings, "ORPHAN_SECONDS", 10 * 60),
    ("R10", settings, "SESSION_SECONDS", 24 * 3600),
    ("R13", settings, "MAX_CREDITS", 16),
    ("R14", settings, "CHUNK_BYTES", MIB),
    ("R14", settings, "HANDOVER_SECONDS", 0.001),
    ("R14", settings, "GATHER_SECONDS", 0.05),
    ("R16", settings, "WINDOW_BYTES", 64 * MIB),
    ("R16", settings, "READ_AHEAD", 100),
    ("R16", settings, "MEMORY_PAYLOAD_BYTES", 4 * KIB),
    ("R16", settings, "JOURNAL_BYTES", 10 * GIB),
    ("R16", settings, "JOURNAL_NO_NEW_WORK", 0.8),
    ("R16", settings, "JOURNAL_NO_LEASES", 0.9),
    ("R16", settings, "FREE_NO_NEW_WORK", GIB),
    ("R16", settings, "FREE_NO_LEASES", 512 * MIB),
    ("R16", limits, "FRAME_BYTES", 256 * KIB),
    ("R17", roster, "DRAIN_SECONDS", 300),
    ("R19", settings, "STRIKES", 3),
    ("R19", settings, "LOSSES", 10),
    ("R20", memory, "LOOK_SECONDS", 0.1),
    ("R20", memory, "LIMIT_SHARE", 0.9),
    ("R20", memory, "MACHINE_SHARE", 0.95),
    ("R21", settings, "INTERRUPT_GRACE", 2),
    ("R23", settings, "QUIET_SECONDS", 10),
    ("R26", settings, "BLOB_BYTES", MIB),
    ("R29", settings, "BLOB_SECONDS", 10 * 60),
    ("R31", limits, "LOGIN_SECONDS", 10),
]


@pytest.mark.parametrize(("rule", "module", "name", "number"), NUMBERS, ids=lambda value: str(value))
def test_a_setting_has_the_number_that_its_rule_names(
    rule: str, module: ModuleType, name: str, number: float
):
    assert getattr(module, name) == number, rule


@pytest.mark.parametrize(("role", "seconds"), [("worker", LEASE_SECONDS), ("client", SESSION_SECONDS)])
def test_R7_R10_who_is_away_is_waited_for_as_long_as_the_setting_says(role, seconds):
    party = Party(SimpleNamespace(number=1, party=1), hello(role))
    party.leave(1000.0)
    assert not party.is_over(1000.0 + seconds - 0.1)
    assert party.is_over(1000.0 + seconds + 0.1)


def test_R13_a_slot_never_has_more_leases_than_the_setting_says():
    assert credit_limit(0.001, 10.0, 1) == MAX_CREDITS
    assert credit_limit(0.001, 0.003, 1) == 4


def test_R21_who_does_not_listen_is_killed_when_the_grace_is_over_and_not_before():
    world = World(slots=1, scaling=False)
    world.settle()
    (client,) = world.clients
    client.submit("deaf")

    def talk() -> None:
        for _ in range(20):
            while world.loop.step():
                pass
            for wire in world.wires:
                world.arrive(wire)
                world.deliver(wire)

    talk()
    slot = next(slot for slot in SLOTS if not slot.gone)
    slot.work()
    assert slot._running is not None
    client.cancel(0)
    talk()
    assert slot._interrupted and not slot._killed
    world.later(INTERRUPT_GRACE - 0.01)
    assert not slot._killed
    world.later(0.02)
    assert slot._killed


def test_R23_who_has_no_slot_is_told_so_after_the_seconds_of_the_setting(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(client_quiet, "time", SimpleNamespace(monotonic=lambda: now[0]))
    quiet = client_quiet.Quiet(SimpleNamespace(slots=0, under_way=True), lambda: "of a reason")
    for later, said in ((0.0, False), (QUIET_SECONDS - 0.1, False), (0.2, True)):
        now[0] += later
        quiet.look()
        assert ("of a reason" in capsys.readouterr().err) is said


def test_R23_who_waits_for_something_else_is_told_so_after_the_same_seconds(monkeypatch, capsys):
    now, waited = [1000.0], []
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Condition(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            now[0] += timeout or 1.0
            return True

    patience.wait_until(Condition(), lambda: None in waited, lambda: "a reason")
    assert waited == [QUIET_SECONDS, None]
    assert "kubefuture: a reason." in capsys.readouterr().err
