"""The provider kind from `up` to `down`. kind and its engine's containers are fakes; the pods they lead to are real."""

from __future__ import annotations

import os
import secrets
import subprocess

import pytest
from kubefuture.kube import registry

from tests import needs
from tests.faults.fake_machine import FakeKind
from tests.kubernetes.test_check_mode import objects
from tests.kubernetes.test_story import SEEDED, namespaces, recorded, saved

KIND = {"KIND_EXPERIMENTAL_PROVIDER": "podman", "KUBECONFIG": "/nowhere"}


@pytest.fixture
def fake(lab, tmp_path):
    """A kind whose clusters are the real one, with the real podman for images."""
    needs.command("podman", "builds the image that kind loads")
    return FakeKind(tmp_path / "fake", engines=("podman",), cluster=os.environ["KUBECONFIG"])


@pytest.fixture
def study(lab, installed, tmp_path):
    """A project for it. An image that is loaded has to have the name by which a pod of the real cluster finds it."""
    text = lab.values().replace("provider: existing", "provider: kind")
    text = text.replace(f"  context: {lab.context}\n", "")
    one = lab.study(tmp_path / f"kind-{secrets.token_hex(3)}", installed, text)
    yield one
    images = recorded(one)["images"] if list(one.project.records.glob("*.yaml")) else []
    for image in images:
        registry.delete(image)
        subprocess.run(["podman", "image", "rm", image], capture_output=True)
    one.kubectl("delete", "namespace", one.namespace, "--ignore-not-found", "--wait=false")


def test_up_run_and_down_on_kind_leave_nothing(study, fake, lab, installed, tmp_path):
    environment = fake.environment(**KIND)
    first = study.kubefuture("up", **environment).stdout
    for words in (
        "of one node is made with podman",
        "built and loaded into the cluster",
        "2 workers are ready",
    ):
        assert words in first
    [image] = recorded(study)["images"]
    policies = {pod["spec"]["containers"][0]["imagePullPolicy"] for pod in study.pods("worker")}
    assert policies == {"Never"}

    before = objects(study)
    second = study.kubefuture("up", **environment).stdout
    assert objects(study) == before
    for words in ("made", "built", "loaded", "installed"):
        assert words not in second

    script = study.script(SEEDED)
    assert "equal 2" in study.kubefuture("run", script, **environment).stdout
    assert "the workers are up" in study.kubefuture("doctor", **environment).stdout
    study.shows(image, **environment)

    # From another checkout, whose values.yaml is about something else.
    other = lab.study(tmp_path / "fresh", installed, lab.values())
    down = other.kubefuture("down", "--project", study.project.name, "--provider", "kind", **environment)
    assert "Everything is down. Nothing is left." in down.stdout
    assert namespaces(study) == [] and fake.containers("podman") == {}
    assert len(saved(other.project.state / "kind" / "logs")) == 3
    registry.delete(image)  # the stand-in for a node had it from there
    assert "Nothing is left" in study.kubefuture("down", **environment).stdout
    assert not study.project.connection_file.exists()
    assert "Nothing was up" in study.kubefuture("down", **environment).stdout
