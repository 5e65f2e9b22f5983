"""A project that is up on the cluster for all tests of a session, and others of their own; all are down in the end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubefuture.project.folder import Project

from tests.kubernetes.lab import Lab, Study, kubectl
from tests.project.conftest import installed

__all__ = ["installed"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A cluster on a busy machine is slow; whoever waits has limits of their own."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The cluster."""
    lab = Lab.of_environment()
    # A session that was killed while it drained a node has left it so.
    where = ("--context", lab.context)
    nodes = kubectl(where, "get", "nodes", "--output", "name").stdout.split()
    kubectl(where, "uncordon", *nodes).check_returncode()
    return lab


def _end(study: Study) -> None:
    study.kubectl("delete", "namespace", study.namespace, "--ignore-not-found", "--wait=false", check=False)


@pytest.fixture(scope="session")
def shared(lab: Lab, installed: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A project with two workers, up."""
    folder = tmp_path_factory.mktemp("kubernetes")
    # Several sessions may run on one cluster, and one that was killed leaves its namespaces behind.
    study = lab.study(folder / f"shared-{secrets.token_hex(3)}", installed, lab.values())
    try:
        study.kubefuture("up")
        yield study
    finally:
        study.kubefuture("down", status=None)
        _end(study)


@pytest.fixture
def study(shared: Study) -> Study:
    """The shared project, whole again, whatever the test before it did."""
    shared.kubefuture("up")
    shared.settle()
    return shared


@pytest.fixture
def make(lab: Lab, installed: Project, tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Makes projects that are gone after the test."""
    made: list[Study] = []

    def make_one(name: str = "", count: int = 1, more: str = "") -> Study:
        name = f"{name or 'own'}-{secrets.token_hex(3)}"
        made.append(lab.study(tmp_path / name, installed, lab.values(count, more)))
        return made[-1]

    yield make_one
    for one in made:
        _end(one)
