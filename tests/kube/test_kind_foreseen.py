"""What check mode foresees of a cluster of kind, on a machine whose kind and docker are fakes: it only looks."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from kubefuture.kube import foreseen, image
from kubefuture.kube.kind.names import kubeconfig_file
from kubefuture.kube.kind.provider import Kind
from kubefuture.project import values
from kubefuture.project.errors import ProjectError

from tests.kube.conftest import CLUSTER, KindLab
from tests.playbooks.tree import tree

CONTROL = f"{CLUSTER}-control-plane"
IMAGE = "localhost/kubefuture-study:1"


@contextmanager
def only_looking(kind):
    """Nothing is changed in the project, nor in what the engine has."""
    before = tree(kind.project.folder)
    with kind.fake.change() as docker:
        there = {name: docker[name] for name in ("containers", "volumes", "images")}
    yield
    with kind.fake.change() as docker:
        assert {name: docker[name] for name in there} == there
    assert tree(kind.project.folder) == before


def would_make(kind):
    with only_looking(kind):
        wanted = values.load(kind.project, keep=False)
        return [str(one) for one in Kind().would_make(kind.project, wanted, kind.record())]


def would_deliver(kind, name=IMAGE):
    with only_looking(kind):
        return Kind().would_deliver(kind.project, kind.record(), name)


def would_end(kind):
    with only_looking(kind):
        return [str(one) for one in Kind().would_end(kind.project, kind.record())]


def test_a_cluster_that_is_not_there_would_be_made_and_one_that_runs_left_alone(kind):
    assert would_make(kind) == [f"would make the cluster {CLUSTER} of one node, with docker"]
    kind.up()
    assert would_make(kind) == []


def test_one_that_was_stopped_would_be_started_and_cannot_be_asked_meanwhile(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["containers"][CONTROL]["state"] = "exited"
    [words] = would_make(kind)
    assert words.startswith(f"would start the cluster {CLUSTER}") and CONTROL in words
    wanted = values.load(kind.project, keep=False)
    with only_looking(kind):
        told = [str(one) for one in foreseen.create(kind.project, wanted)]
        assert told == [words, "What is in the cluster can be told when it runs."]
        assert (
            list(foreseen.install(kind.project, wanted)) == list(foreseen.connect(kind.project, wanted)) == []
        )


def test_all_steps_foresee_what_a_new_cluster_will_get(kind, monkeypatch):
    monkeypatch.setattr(foreseen, "is_pending", lambda project, wanted: False)
    monkeypatch.setattr(foreseen.difference, "_rendered", lambda chart, place, told: {})
    with only_looking(kind):
        wanted = values.load(kind.project, keep=False)
        name = image.recipe(kind.project, wanted, Kind().place(kind.project, wanted)).name
        steps = (foreseen.create, foreseen.build, foreseen.install, foreseen.connect)
        told = [getattr(one, "what", "") for step in steps for one in step(kind.project, wanted)]
        assert f"would build the image {name}" in str(next(iter(foreseen.build(kind.project, wanted))))
    assert told == [
        "the cluster",
        "the record",
        "the namespace",
        "the image",
        "token and certificate",
        "the chart",
        "the connection file",
    ]


def test_a_half_made_one_would_be_made_anew(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "killed"
    with pytest.raises(ProjectError):
        kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = ""
    assert would_make(kind) == [f"would make the cluster {CLUSTER} anew, which was only half made"]


def test_what_up_would_refuse_the_check_refuses(kind, tmp_path):
    kind.up()
    other = KindLab(tmp_path / "elsewhere" / "study", kind.fake)
    with pytest.raises(ProjectError, match="not made from this folder"):
        would_make(other)
    kind.set("kind:\n  nodes: 2\n")
    with pytest.raises(ProjectError, match="cannot be changed"):
        would_make(kind)


def test_a_lost_kubeconfig_would_be_written(kind):
    kind.up()
    kubeconfig_file(kind.project).unlink()
    assert would_make(kind) == ["would write the cluster's kubeconfig"]
    assert "kubeconfig is written" in kind.up()


def test_an_image_would_be_built_or_loaded_or_is_there(kind):
    kind.up()
    assert would_deliver(kind) == f"would build the image {IMAGE}, and load it into the cluster"
    assert would_deliver(kind, "").startswith("would build the image with the new packages")
    kind.image()
    assert would_deliver(kind) == ""
    with kind.fake.change() as docker:
        docker["images"].clear()
    assert would_deliver(kind) == "", "the node has it still"
    assert kind.image() == ""
    with kind.fake.change() as docker:
        docker["containers"].clear()
        docker["images"].append(IMAGE)
    assert would_deliver(kind) == f"would load the image {IMAGE} into the cluster"


def test_down_lists_the_cluster_its_kubeconfig_and_the_image(kind):
    kind.up()
    kind.image()
    cluster, image_, file = would_end(kind)
    assert f"then delete the cluster {CLUSTER} ({CONTROL})" in cluster
    assert image_ == f"would delete the image {IMAGE} from docker"
    assert file == "would remove .kubefuture/kind/kubeconfig"
    kind.down()
    assert would_end(kind) == []


def test_what_another_checkout_made_is_found_without_recording_it(kind, tmp_path):
    kind.up()
    other = KindLab(tmp_path / "fresh", kind.fake)
    with only_looking(other):
        found = Kind().find(other.project, "study")
        assert any(CLUSTER in str(one) for one in Kind().would_end(other.project, found))
    assert other.record() is None
