"""Contenders that cannot be measured are named with the reason, and leave nothing behind."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from benchmarks import skewed_map
from benchmarks.contenders import Contender, ContenderError, executor, plus_one
from benchmarks.peers import Peer
from benchmarks.pools import PLACES, Rounds, beside, ready
from tests.faults import processes
from tests.faults.waiting import eventually


def turn(pool, tasks):
    assert pool.map(plus_one, range(tasks)) == list(range(1, tasks + 1))
    return float(tasks)


def fail(pool, tasks):
    raise ValueError(f"{tasks} are too\nmany")


def leave(pool, tasks):
    os._exit(1)


@contextmanager
def no_pool():
    raise OSError("no port is free")
    yield


def test_a_contender_answers_each_turn_and_ends_with_all_its_processes():
    contender = Contender(executor, turn, warm_up=2)
    try:
        assert contender.take_turn(7) == 7.0
        started = [
            child.pid
            for child in processes.descendants(os.getpid())
            if "resource_tracker" not in child.command
        ]
    finally:
        contender.close()
    assert started
    eventually(lambda: not processes.living().keys() & started, "they are gone")


@pytest.mark.parametrize(
    ("way", "does", "why"),
    [
        (no_pool, turn, "OSError: no port is free"),
        (executor, fail, "ValueError: 3 are too many"),
        (executor, leave, "its process ended"),
    ],
)
def test_a_contender_that_fails_says_why_in_one_line(way, does, why):
    with pytest.raises(ContenderError, match=f"^{why}$"):
        Contender(way, does, warm_up=3)


def test_a_peer_that_is_not_installed_is_named():
    peer = Peer("Nobody", "no_package_of_this_name", no_pool)
    with pytest.raises(ContenderError, match="not installed; `make bench PEERS=1`"), ready(peer, turn):
        raise AssertionError("it was started")
    rows = beside("round trip", [Rounds(peer.name, {}, [], peer.why_missing)], str)
    assert [(row.peer, row.values) for row in rows] == [("Nobody", [])]
    assert "not installed" in rows[0].note


def test_a_peer_stands_beside_both_of_ours():
    rows = beside("round trip", [Rounds("P", {"local": [1.0, 2.0], "daemon": [8.0, 4.0]}, [2.0, 4.0])], str)
    assert [row.question for row in rows] == [f"round trip, {place}" for place in PLACES.values()]
    assert [row.values for row in rows] == [[0.5, 0.5], [4.0, 1.0]]
    assert all(row.bar is None and row.peer == "P 3.0" for row in rows)


def test_skewed_durations_are_the_same_every_time_and_differ_only_in_order():
    shuffled, last = (skewed_map.durations(2000, order) for order in skewed_map.ORDERS)
    assert shuffled == skewed_map.durations(2000, "shuffled")
    assert sorted(shuffled) == last
    assert last.count(skewed_map.LONG) == 20
    assert last[-20:] == [skewed_map.LONG] * 20
