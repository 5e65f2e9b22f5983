"""One environment for all tests that need packages: made once, and linked into the projects that use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefuture.project.folder import Project

from tests.project import kit


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a lock and an environment of the runtime's own needs; only to be read."""
    project = kit.make_project(tmp_path_factory.mktemp("installed") / "study")
    kit.kubefuture(project, "environment")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without lock and environment."""
    return kit.make_project(tmp_path / "a study é")


@pytest.fixture
def ready_project(tmp_path: Path, installed: Project) -> Project:
    """A project with lock and environment."""
    return kit.with_environment(kit.make_project(tmp_path / "a study é"), installed)
