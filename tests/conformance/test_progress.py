"""The user chooses how progress looks; a callable is told of each element, on every plan."""

from __future__ import annotations

import kubefuture as kf
import pytest


@pytest.mark.parametrize("call", ["map", "imap"])
def test_a_callable_is_told_how_many_are_done_and_of_how_many(plan, call):
    told = []
    list(
        getattr(kf, call)(
            abs, range(50), progress=lambda done, total: told.append((done, total)), chunk_size=7
        )
    )
    assert told == [(done, 50) for done in range(1, 51)]


def test_the_total_of_a_generator_is_unknown(plan):
    told = []
    kf.map(abs, (x for x in range(3)), progress=lambda *both: told.append(both))
    assert told == [(1, None), (2, None), (3, None)]


def test_an_error_in_the_callable_ends_the_map(plan):
    def fail(done, total):
        raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        kf.map(abs, range(100), progress=fail)
    assert kf.map(abs, [-1]) == [1]


def test_nothing_is_shown_when_nobody_looks(plan, capfd):
    kf.map(abs, range(10))
    kf.map(abs, range(10), progress=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [True, "fitting"])
def test_a_bar_that_was_asked_for_leaves_stdout_alone(plan, capfd, progress):
    assert kf.map(abs, range(10), progress=progress) == list(range(10))
    assert capfd.readouterr().out == ""
