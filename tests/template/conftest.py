"""One copy of the work tree as a repository, and one project made from it, for all tests of the template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.template import kit


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work tree as a clean repository of one commit; not to be changed."""
    return kit.copy_work_tree(tmp_path_factory.mktemp("repository") / "kubefuture")


@pytest.fixture
def own_repository(repository: Path, tmp_path: Path) -> Path:
    """A clone of it for one test, to commit on."""
    kit.git(tmp_path, "clone", "--quiet", str(repository), "own-kubefuture")
    return tmp_path / "own-kubefuture"


@pytest.fixture(scope="session")
def rendered(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as it comes out of Copier with all defaults; only to be read."""
    return kit.render(repository, tmp_path_factory.mktemp("rendered") / "study")


@pytest.fixture(scope="session")
def project(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose commands are run, with its environments; it is down at the end."""
    folder = kit.render(repository, tmp_path_factory.mktemp("project") / "study")
    kit.make(folder, "tools")
    yield folder
    kit.make(folder, "down", status=None)
