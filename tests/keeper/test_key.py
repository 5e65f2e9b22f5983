"""The connection file of what runs: written anew from its spare when it is damaged."""

from __future__ import annotations

import pytest
from kubefuture.errors import LoginError
from kubefuture.project.errors import ProjectError


def of_connection(study, name):
    """The connection file or its spare."""
    project = study.places.project
    return {"file": project.connection_file, "spare": project.local / "connection.json"}[name]


@pytest.mark.parametrize("damage", ["", "{", '{"token": "no"}', "other", "missing"])
def test_a_damaged_connection_file_is_written_anew_and_what_runs_goes_on(study, damage):
    study.start("ready", "ready")
    before, file = study.living(), of_connection(study, "file")
    good = file.read_text()
    file.unlink()
    if damage != "missing":
        file.touch(mode=0o600)
        file.write_text(good.replace("local", "elsewhere") if damage == "other" else damage)
    started = study.start("ready", "ready")
    assert (started.was_up, started.mended) == (True, True)
    assert file.read_text() == good
    assert study.living() == before
    assert not study.start("ready", "ready").mended


def test_a_damaged_spare_does_not_matter_while_the_connection_file_is_good(study):
    study.start("ready")
    of_connection(study, "spare").write_text("{")
    assert not study.start("ready").mended


def test_a_connection_file_that_cannot_be_written_anew_is_an_error_and_what_runs_goes_on(study):
    study.start("ready")
    before, file = study.living(), of_connection(study, "file")
    file.unlink()
    file.mkdir()
    with pytest.raises(ProjectError, match="is damaged and cannot be written anew"):
        study.start("ready")
    file.rmdir()
    of_connection(study, "spare").unlink()
    with pytest.raises(ProjectError, match="so is its spare"):
        study.start("ready")
    assert study.living() == before


def test_a_connection_file_that_others_could_read_is_not_called_up_already(study):
    study.start("ready")
    of_connection(study, "file").chmod(0o644)
    with pytest.raises(LoginError, match="make down"):
        study.start("ready")
