"""A project of the provider kind, on a machine whose kind and docker are fakes; and a registry, with logins for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubefuture.core.certificate import make_certificate, server_context
from kubefuture.kube import record
from kubefuture.kube.kind.provider import Kind
from kubefuture.kube.record import ClusterRecord
from kubefuture.project import values
from kubefuture.project.changes import Change

from tests.faults.fake_machine import FakeKind
from tests.faults.tls import write_pair
from tests.kube.fake_registry import DIGEST, STUDY, Registry, basic
from tests.project import kit

VALUES = kit.VALUES.replace("provider: local", "provider: kind")
CLUSTER = "kubefuture-study"


class KindLab:
    """A project, and what the steps of `make up` and `make down` do with it."""

    def __init__(self, folder: Path, fake: FakeKind) -> None:
        self.fake = fake
        self.project = kit.make_project(folder, VALUES)
        self.project.lock_file.write_text("numpy==2.0.0\n")
        self.said: list[str] = []

    def say(self, one: Change | str) -> None:
        """Takes what a step tells."""
        self.said.append(str(one))

    def record(self) -> ClusterRecord | None:
        """What is recorded."""
        return record.read(self.project, "kind")

    def up(self) -> str:
        """Makes or starts the cluster; returns what was said about it."""
        wanted, before = values.load(self.project), len(self.said)
        one = record.begin(self.project, Kind().place(self.project, wanted))
        Kind().make(self.project, wanted, one, self.say)
        return "\n".join(self.said[before:])

    def image(self, tag: str = "1") -> str:
        """Sees that the cluster has an image; returns what was said about it."""
        from kubefuture.kube.image import Recipe

        arguments = {"BASE": "python:3.11-slim", "PYTHON": "3.11", "ARCHITECTURE": "amd64", "APT": ""}
        made_of = Recipe(f"localhost/kubefuture-study:{tag}", arguments)
        one = self.record()
        assert one is not None
        return Kind().deliver(self.project, record.with_image(self.project, one, made_of.name), made_of)

    def down(self) -> str:
        """Deletes it; returns what was said about it."""
        one, before = self.record(), len(self.said)
        assert one is not None
        Kind().end(self.project, one, self.say)
        return "\n".join(self.said[before:])

    def left(self) -> list[str]:
        """What is left of it."""
        one = self.record()
        assert one is not None
        proof = Kind().look(self.project, one)
        assert proof.unchecked == []
        return proof.left

    def set(self, text: str) -> None:
        """Adds to values.yaml."""
        with self.project.values_file.open("a", encoding="utf-8") as file:
            file.write(text)

    def ids(self) -> list[str]:
        """Of the containers that there are."""
        return [one["id"] for one in self.fake.containers().values()]


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KindLab:
    """A project `study` with a docker and a kind."""
    fake = FakeKind(tmp_path / "fake")
    for name, value in fake.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("KUBECONFIG", "KIND_EXPERIMENTAL_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return KindLab(tmp_path / "study", fake)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any login, on a machine without proxies and authorities of its own."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    return home


@pytest.fixture
def server(machine: Path) -> Iterator[Registry]:
    """A registry that has an image."""
    with Registry(images={STUDY: DIGEST}) as one:
        yield one


@pytest.fixture
def log_in(machine: Path) -> Callable[..., None]:
    """Stores a login for a host, as docker does."""

    def write(host: str, **entry: str) -> None:
        (machine / ".docker").mkdir(exist_ok=True)
        content = {"auths": {host: entry or {"auth": basic("ann", "geheim")}}}
        (machine / ".docker" / "config.json").write_text(json.dumps(content))

    return write


@pytest.fixture
def known(server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the registry the name of a host, under which it is reached with TLS."""
    authorities = tmp_path / "authorities.pem"
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.host}")

    def name(host: str, *, trusted: bool = True) -> None:
        folder = tmp_path / host
        folder.mkdir()
        certificate, key = make_certificate(host)
        server.tls[host] = server_context(*write_pair(folder, certificate, key))
        if trusted:
            with authorities.open("a", encoding="utf-8") as file:
                file.write(certificate)
            monkeypatch.setenv("SSL_CERT_FILE", str(authorities))

    return name
