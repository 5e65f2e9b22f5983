"""kf.value: futures in any nesting of containers."""

from __future__ import annotations

import collections

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach

Pair = collections.namedtuple("Pair", "left right")


def test_containers_keep_their_shape_and_what_is_no_future(plan):
    def later(x):
        return kf.future(lambda: x)

    nested = {
        "list": [later(1), 2, [later(3)]],
        "tuple": (later(4), "five"),
        "named": Pair(later(6), later(7)),
        "set": {later(8)},
        "ordered": collections.OrderedDict(b=later(9), a=10),
        "default": collections.defaultdict(list, c=later(11)),
        "object": kf,
    }
    values = kf.value(nested)
    assert values["list"] == [1, 2, [3]]
    assert values["tuple"] == (4, "five")
    assert values["named"] == Pair(6, 7) and type(values["named"]) is Pair
    assert values["set"] == {8}
    assert list(values["ordered"].items()) == [("b", 9), ("a", 10)]
    assert type(values["ordered"]) is collections.OrderedDict
    assert values["default"]["c"] == 11 and values["default"]["missing"] == []
    assert values["object"] is kf


def test_a_container_itself_is_not_changed(plan):
    future = kf.future(abs, -1)
    container = [future]
    assert kf.value(container) == [1]
    assert container == [future]


def test_what_is_no_future_is_returned_as_it_is(plan):
    assert kf.value(3) == 3
    assert kf.value([]) == []
    assert kf.value("text") == "text"


def test_an_error_is_raised_as_it_is(plan):
    with pytest.raises(ZeroDivisionError):
        kf.value({"fine": kf.future(abs, 1), "wrong": kf.future(lambda: 1 / 0)})


def test_the_first_error_cancels_the_others_and_raises_at_once(pool, checkpoint, all_slots_work):
    blocked = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    with pytest.raises(ZeroDivisionError):
        kf.value([blocked, kf.future(lambda: 1 / 0)])
    visit.left()
    assert blocked.cancelled()


def test_a_timeout_cancels_nothing(pool, checkpoint):
    blocked = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    with pytest.raises(TimeoutError, match="1 of 1"):
        kf.value(blocked, timeout=0)
    visit.go("still there")
    assert kf.value(blocked) == "still there"
