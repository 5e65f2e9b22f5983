"""A command `docker` that is podman, as the package podman-docker makes one, is left alone for podman itself."""

from __future__ import annotations

import os

import pytest
from kubefuture.kube.engine import Engine, find_engine, why_not
from kubefuture.kube.kind import containers
from kubefuture.kube.kind.provider import Kind
from kubefuture.project import values
from kubefuture.project.errors import ProjectError

from tests import needs
from tests.faults.fake_machine import FakeKind
from tests.kube.conftest import KindLab


@pytest.fixture
def both(kind, tmp_path, monkeypatch):
    """A project on a machine whose docker and podman are both podman."""
    fake = FakeKind(tmp_path / "both", engines=("docker", "podman"))
    for name, value in fake.environment().items():
        monkeypatch.setenv(name, value)
    with fake.change() as docker:
        docker["fault"] = "podman"
    return KindLab(tmp_path / "podman" / "study", fake)


def test_images_are_built_with_podman_which_is_told_of_a_registry_without_tls(both):
    assert find_engine() == Engine("podman")


def test_nodes_are_made_with_podman_which_is_asked_in_its_own_words(both):
    assert containers.working() == ["podman"]
    said = [finding.words for finding in Kind().check(both.project, values.load(both.project))]
    assert "Nodes are containers of podman, which has 64.0 GiB and 16 cores." in said
    assert "is made with podman" in both.up()
    both.down()
    assert both.left() == []


def test_who_told_kind_to_use_it_is_told_what_it_is(both, monkeypatch):
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "docker")
    with pytest.raises(
        ProjectError, match=r"it is podman under another name\).*unset KIND_EXPERIMENTAL_PROVID"
    ):
        containers.working()


@pytest.mark.parametrize("way", ["package", "link"])
def test_the_real_podman_is_known_under_another_name(tmp_path, monkeypatch, way):
    podman = needs.command("podman", "is called docker")
    other = tmp_path / "docker"
    if way == "link":
        other.symlink_to(podman)
    else:
        other.write_text(f'#!/bin/sh\necho "Emulate Docker CLI using podman." >&2\nexec {podman} "$@"\n')
        other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert why_not("docker") == "it is podman under another name"


def test_docker_itself_is_taken(kind):
    assert find_engine() == Engine("docker") and containers.working()[0] == "docker"
