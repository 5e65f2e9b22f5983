"""The program's levels of loggers are those where its elements run, and asking for them costs next to nothing."""

from __future__ import annotations

import logging

import pytest
from kubefuture.core import log_levels


@pytest.fixture(autouse=True)
def own_loggers():
    """Loggers of these tests have no levels afterwards, and the root logger the one that it had."""
    before = logging.root.level
    yield
    log_levels.take_on(before, b"")
    for name in ("levels", "levels.one", "levels.two"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def own():
    packed = log_levels.wanted()[1]
    return (
        {name: level for name, level in log_levels._unpacked(packed) if name.startswith("levels")}
        if packed
        else {}
    )


def test_levels_that_are_set_are_wanted_from_then_on():
    assert own() == {}
    logging.getLogger("levels.one").setLevel(logging.INFO)
    assert own() == {"levels.one": logging.INFO}
    logging.getLogger("levels").setLevel(logging.ERROR)
    assert own() == {"levels": logging.ERROR, "levels.one": logging.INFO}
    logging.getLogger("levels.one").setLevel(logging.NOTSET)
    assert own() == {"levels": logging.ERROR}


def test_they_are_looked_for_only_when_one_was_set(monkeypatch):
    looked = []
    monkeypatch.setattr(log_levels, "_packed", lambda: looked.append(True) or b"")
    logging.getLogger("levels").setLevel(logging.INFO)
    assert [log_levels.wanted()[1] for _ in range(3)] == [b""] * 3 and looked == [True]
    logging.getLogger("levels").setLevel(logging.DEBUG)
    log_levels.wanted()
    assert looked == [True, True]


def test_the_root_loggers_level_is_the_present_one():
    logging.root.setLevel(logging.ERROR)
    assert log_levels.wanted()[0] == logging.ERROR


def test_what_is_taken_on_is_given_back():
    logging.getLogger("levels.two").setLevel(logging.CRITICAL)
    logging.getLogger("levels.one").setLevel(logging.DEBUG)
    levels = log_levels._packed()
    logging.getLogger("levels.one").setLevel(logging.NOTSET)
    logging.getLogger("levels.two").setLevel(logging.INFO)
    log_levels.take_on(logging.ERROR, levels)
    assert logging.root.level == logging.ERROR
    assert logging.getLogger("levels.one").level == logging.DEBUG
    assert logging.getLogger("levels.two").level == logging.CRITICAL
    log_levels.take_on(logging.WARNING, b"")
    assert logging.getLogger("levels.one").level == logging.NOTSET
    assert logging.getLogger("levels.two").level == logging.INFO


def test_what_an_import_sets_meanwhile_is_set_again():
    logging.getLogger("levels.one").setLevel(logging.DEBUG)
    log_levels.take_on(logging.WARNING, log_levels._packed())
    logging.getLogger("levels.one").setLevel(logging.ERROR)
    log_levels.take_on_again()
    assert logging.getLogger("levels.one").level == logging.DEBUG


def test_what_is_a_packages_own_can_be_left_out():
    logging.getLogger("levels.one").setLevel(logging.DEBUG)
    packed = log_levels._packed()
    assert "levels.one" in dict(log_levels._unpacked(packed))
    assert "levels.one" not in dict(log_levels._unpacked(log_levels.without(packed, ("levels",))))
    assert log_levels.without(b"", ("levels",)) == b""
