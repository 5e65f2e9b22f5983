"""Which warnings and log records are kept, where there are more than can be (R16)."""

from __future__ import annotations

import pytest
from kubefuture.core.printed import MOST_EVENTS, MOST_REPEATS, Event
from kubefuture.worker.kept import Kept


def event(number, kind="log"):
    return Event(kind, 0, 0, b"%d" % number)


def numbers(kept):
    return [int(one.content) for one in kept.events]


def test_R16_what_fits_is_all_kept():
    kept = Kept()
    assert all(kept.add(event(number), number % 7) for number in range(MOST_EVENTS))
    assert numbers(kept) == list(range(MOST_EVENTS)) and not kept.left_out


def test_R16_of_one_place_the_first_are_kept():
    kept = Kept()
    added = [kept.add(event(number), "chatty") for number in range(3 * MOST_EVENTS)]
    assert added == [True] * MOST_EVENTS + [False] * 2 * MOST_EVENTS
    assert numbers(kept) == list(range(MOST_EVENTS)) and kept.left_out


@pytest.mark.parametrize("few", [1, 10, 400])
def test_R16_a_place_that_gave_many_gives_way_to_one_that_gave_few(few):
    kept = Kept()
    for number in range(2 * MOST_EVENTS):
        kept.add(event(number), "chatty")
    assert all(kept.add(event(-1 - number), "rare") for number in range(few))
    assert numbers(kept) == [*range(MOST_EVENTS - few), *(-1 - number for number in range(few))]


def test_R16_two_places_that_give_much_share_the_room():
    kept = Kept()
    for number in range(5 * MOST_EVENTS):
        kept.add(event(number), "first")
        kept.add(event(-1 - number), "second")
    first = sum(number >= 0 for number in numbers(kept))
    assert first == MOST_EVENTS // 2 and len(kept.events) == MOST_EVENTS


def test_R16_warnings_and_log_records_take_no_room_from_each_other():
    kept = Kept()
    for number in range(2 * MOST_EVENTS):
        kept.add(event(number, "warning"), "here")
    assert all(kept.add(event(number, "log"), "here") for number in range(MOST_EVENTS))
    assert len(kept.events) == 2 * MOST_EVENTS


def test_R16_one_warning_is_kept_a_few_times_and_others_beside_it():
    kept = Kept()
    assert [kept.is_repeated("same") for _ in range(MOST_REPEATS + 2)] == [False] * MOST_REPEATS + [True] * 2
    assert not kept.is_repeated("other") and not kept.left_out
    assert not any(kept.is_repeated(number) for number in range(2 * MOST_EVENTS))
    assert kept.is_repeated("same"), "whatever comes between"
