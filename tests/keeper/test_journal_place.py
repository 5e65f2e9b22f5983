"""The journal of named work is in the project, unless SQLite could not open it there."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefuture.keeper.programs import journal_of


def test_it_is_in_the_project():
    assert journal_of(Path("/home/me/study")) == Path("/home/me/study/.kubefuture/local/journal")


def test_where_the_path_is_too_long_it_is_in_the_users_state(monkeypatch):
    long = Path("/home", *["a-very-long-name" * 10] * 4)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    place = journal_of(long)
    assert place.parent == Path("/home/me/state/kubefuture")
    assert journal_of(long) == place != journal_of(long / "other")


@pytest.mark.parametrize("state", ["", "relative"])
def test_without_a_state_folder_of_ones_own_it_is_the_usual_one(monkeypatch, state):
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/me")
    place = journal_of(Path("/home", *["a-very-long-name" * 10] * 4))
    assert place.parent == Path("/home/me/.local/state/kubefuture")
