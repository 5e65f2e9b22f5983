"""Projects that can go up for real, and are down after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubefuture.keeper import processes
from kubefuture.keeper.places import Places
from kubefuture.keeper.proof import look
from kubefuture.keeper.stop import stop
from kubefuture.project import deployed
from kubefuture.project.folder import Project

from tests.project import kit
from tests.project.conftest import installed, project

__all__ = ["installed", "project"]


def pids(project: Project) -> set[int]:
    """The processes that belong to a project."""
    places = Places.of(project)
    return {process.pid for process in processes.of_project(places.folders, places.state)}


@pytest.fixture
def study(tmp_path: Path, installed: Project) -> Iterator[Project]:
    """A project with its environment, in a folder whose name is not simple."""
    project = kit.with_environment(kit.make_project(tmp_path / "a study é"), installed)
    yield project
    stop(Places.of(project))
    for one in deployed.read_all(project):
        deployed.remove(project, one.provider)
    assert look(Places.of(project)).left == []
