"""The provider kind makes, starts, refuses, loads and deletes clusters; kind and docker are strict fakes."""

from __future__ import annotations

import json
import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubefuture.kube.commands import KubeError, explain, kubectl
from kubefuture.kube.kind import cluster, containers, tool
from kubefuture.kube.kind.names import cluster_name, kubeconfig_file
from kubefuture.kube.kind.provider import Kind
from kubefuture.kube.place import slug_of
from kubefuture.project import values
from kubefuture.project.errors import ProjectError

from tests.faults.fake_machine import FakeKind
from tests.kube.conftest import CLUSTER, KindLab

CONTROL = f"{CLUSTER}-control-plane"
IMAGE = "localhost/kubefuture-study:1"


@given(st.text(min_size=1, max_size=100))
def test_any_project_gives_a_cluster_whose_nodes_are_names_of_hosts(name):
    assert re.fullmatch(r"[a-z0-9.-]+", cluster_name(slug_of(name)))
    assert len(f"{cluster_name(slug_of(name))}-control-plane") <= 63


def test_two_long_projects_never_share_a_cluster():
    assert cluster_name("a" * 39 + "b") != cluster_name("a" * 39 + "c")


def test_up_makes_a_cluster_and_a_second_up_changes_nothing(kind):
    assert f"The cluster {CLUSTER} of one node is made with docker" in kind.up()
    assert list(kind.fake.containers()) == [CONTROL]
    assert "localhost/kubefuture-study:1 is built and loaded" in kind.image()
    before = kind.record(), kind.ids()
    assert (kind.up(), kind.image()) == ("", "")
    assert (kind.record(), kind.ids()) == before


def test_the_kubeconfig_is_the_projects_own_and_private(kind, tmp_path):
    kind.up()
    file = kubeconfig_file(kind.project)
    assert file.is_relative_to(kind.project.state)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not (tmp_path / "home").exists()
    place = Kind().place(kind.project, values.load(kind.project))
    assert (place.kubeconfig, place.context) == (str(file), f"kind-{CLUSTER}")
    assert json.loads(kubectl(place, "get", "nodes", "--output", "json", namespaced=False))["items"]


def test_the_cluster_is_recorded_before_it_is_made(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "killed"
    with pytest.raises(ProjectError):
        kind.up()
    assert kind.record().own["engine"] == "docker"
    assert kind.ids()
    # So it is found and deleted, although it was never finished.
    assert "is deleted" in kind.down()
    assert kind.left() == []


def test_neither_context_nor_registry_is_asked_for(kind):
    wanted = values.load(kind.project)
    assert wanted.data["cluster"]["context"] == wanted.data["cluster"]["registry"] == ""
    assert wanted.data["kind"] == {"nodes": 1, "node_image": ""}


def test_more_nodes_all_get_the_image(kind):
    kind.set("kind:\n  nodes: 3\n")
    assert "of 3 nodes" in kind.up()
    kind.image()
    found = kind.fake.containers()
    assert list(found) == [CONTROL, f"{CLUSTER}-worker", f"{CLUSTER}-worker2"]
    assert all("localhost/kubefuture-study:1" in one["images"] for one in found.values())


def test_a_cluster_that_was_stopped_is_started(kind):
    kind.up()
    kind.image()
    for state in ("exited", "paused", "created"):
        with kind.fake.change() as docker:
            docker["containers"][CONTROL]["state"] = state
        assert f"The cluster {CLUSTER} was stopped, and runs again." in kind.up()
        assert kind.fake.containers()[CONTROL]["state"] == "running"
    assert kind.image() == ""


def test_a_kubeconfig_that_was_lost_is_written_again(kind):
    kind.up()
    kubeconfig_file(kind.project).unlink()
    assert kind.up() == "The cluster's kubeconfig is written."
    assert kubeconfig_file(kind.project).is_file()


def test_a_kubeconfig_that_leads_elsewhere_is_written_again(kind):
    kind.up()
    kubeconfig_file(kind.project).write_text('{"contexts": []}')
    assert "kubeconfig is written" in kind.up()
    assert f"kind-{CLUSTER}" in kubeconfig_file(kind.project).read_text()


def test_the_lock_of_a_kind_that_was_killed_is_in_nobodys_way(kind):
    file = kubeconfig_file(kind.project)
    file.parent.mkdir(parents=True)
    file.with_name("kubeconfig.lock").touch()
    kind.up()
    assert file.is_file()


def test_a_cluster_that_was_deleted_by_hand_is_made_anew_with_its_image(kind):
    kind.up()
    kind.image()
    first = kind.ids()
    with kind.fake.change() as docker:
        docker["containers"].clear()
    assert "was deleted meanwhile, and is made anew" in kind.up()
    assert kind.ids() != first
    assert "is loaded into the cluster" in kind.image(), "built once, loaded again"


def test_a_half_made_cluster_is_made_anew(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "killed"
    with pytest.raises(ProjectError):
        kind.up()
    half = kind.ids()
    with kind.fake.change() as docker:
        docker["fault"] = ""
    assert "was only half made" in kind.up()
    assert len(kind.ids()) == 1 and kind.ids() != half


def test_a_cluster_that_another_checkout_began_meanwhile_is_not_taken_for_a_half_made_one(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "killed"
    with pytest.raises(ProjectError):
        kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = ""
        one = docker["containers"][CONTROL]
        one["settings"] = one["settings"].replace(kind.record().mark, "0123456789abcdef")
    before = kind.ids()
    with pytest.raises(ProjectError, match="not made from this folder"):
        kind.up()
    assert kind.ids() == before
    assert "is left alone" in kind.down()
    assert kind.ids() == before and kind.left() == []


def test_a_cluster_of_another_checkout_is_refused_and_left_alone(kind, tmp_path):
    kind.up()
    other = KindLab(tmp_path / "elsewhere" / "study", kind.fake)
    before = kind.ids()
    with pytest.raises(
        ProjectError, match=r"not made from this folder.*make down PROJECT=study PROVIDER=kind"
    ):
        other.up()
    assert kind.ids() == before
    assert Kind().nothing_made(other.record()), "so the record goes again"
    other.down()
    assert kind.ids() == before


def test_a_cluster_that_was_made_by_hand_after_ours_is_refused_and_left_alone(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["containers"][CONTROL].update(id="f" * 64, volumes=["theirs"])
        docker["volumes"]["theirs"] = CONTROL
    with pytest.raises(ProjectError, match=f"kind delete cluster --name {CLUSTER}"):
        kind.up()
    assert "is another one than was made, and is left alone" in kind.down()
    assert kind.ids() == ["f" * 64]
    with kind.fake.change() as docker:
        assert list(docker["volumes"]) == ["theirs"]
    assert not [line for line in kind.left() if "container" in line]


def test_a_node_that_was_removed_by_hand_is_named(kind):
    kind.set("kind:\n  nodes: 2\n")
    kind.up()
    with kind.fake.change() as docker:
        del docker["containers"][f"{CLUSTER}-worker"]
    with pytest.raises(ProjectError, match=r"1 of the 2 nodes .*are gone.*make down, then make up"):
        kind.up()
    said = kind.down()
    assert "is deleted" in said and "which a node had left, is deleted" in said
    assert kind.left() == []
    with kind.fake.change() as docker:
        assert docker["volumes"] == {}


def test_another_shape_is_refused_with_what_to_do(kind):
    kind.up()
    kind.set("kind:\n  nodes: 2\n")
    with pytest.raises(ProjectError, match=r"nodes=1 .*asks for nodes=2.*make down, then make up"):
        kind.up()


def test_down_deletes_the_cluster_and_the_image_that_was_built(kind):
    kind.up()
    kind.image()
    assert sorted(kind.left()) == [
        f"container {CONTROL} (running)",
        "image localhost/kubefuture-study:1",
        f"the kubeconfig {kubeconfig_file(kind.project)}",
        f"volume {kind.record().own['volumes'][0]}",
    ]
    kind.down()
    assert kind.left() == []
    kind.down()
    with kind.fake.change() as docker:
        assert docker["containers"] == docker["volumes"] == {} and docker["images"] == []


def test_down_of_a_cluster_that_is_gone_finds_what_it_left(kind):
    kind.up()
    kind.image()
    with kind.fake.change() as docker:
        docker["containers"].clear()  # as `docker rm --force` does, which keeps the volume
    assert "which a node had left, is deleted" in kind.down()
    assert kind.left() == []


def test_what_nodes_said_is_kept_where_kubernetes_does_not_answer(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = "deaf"
    said = kind.down()
    assert "cannot be reached" in said and ".kubefuture/kind/node-logs" in said
    assert list((kind.project.state / "kind" / "node-logs").rglob("*.log"))
    assert kind.left() == []


def test_down_of_a_stopped_cluster_says_that_there_are_no_logs(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["containers"][CONTROL]["state"] = "exited"
    assert "does not run, so what its pods said is not kept" in kind.down()
    assert kind.left() == []


def test_what_cannot_be_deleted_is_left_and_named(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = "stuck"
    with pytest.raises(ProjectError, match="failed to delete nodes"):
        kind.down()
    assert f"container {CONTROL} (running)" in kind.left()


def test_a_cluster_that_somebody_else_deletes_at_the_same_time_is_deleted(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = "raced"
    assert "is deleted" in kind.down()
    assert kind.left() == []


def test_an_engine_that_does_not_answer_is_named_and_nothing_is_proved(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["away"] = True
    telling = r"docker does not answer \(Cannot connect to the Docker daemon.*Start it"
    with pytest.raises(ProjectError, match=telling):
        kind.up()
    with pytest.raises(ProjectError, match=telling):
        kind.down()
    proof = Kind().look(kind.project, kind.record())
    assert proof.left == [] and re.search(
        f"{telling}.*remove .kubefuture/deployed/kind.yaml", proof.unchecked[0]
    )


def test_a_nodes_image_that_cannot_be_fetched_is_named_and_nothing_is_left(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "pull"
    with pytest.raises(ProjectError, match=r"nodes' image could not be fetched .*kind.node_image"):
        kind.up()
    assert Kind().nothing_made(kind.record())


def test_a_kubernetes_that_does_not_come_up_is_named_and_nothing_is_left(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "kubeadm"
    with pytest.raises(ProjectError, match="too little memory"):
        kind.up()
    assert kind.ids() == [] and Kind().nothing_made(kind.record())


def test_a_node_without_room_for_the_image_is_named(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = "full"
    with pytest.raises(ProjectError, match="disk that docker keeps images on is full"):
        kind.image()
    assert not list(kubeconfig_file(kind.project).parent.glob("image-*")), "no archive stays behind"


def test_a_cluster_that_does_not_get_ready_is_named_with_its_logs(kind, monkeypatch):
    kind.set("kind:\n  nodes: 2\n")
    kind.up()
    monkeypatch.setattr(cluster, "READY_SECONDS", 0.0)
    monkeypatch.setattr(containers, "start", lambda *_: None)
    with kind.fake.change() as docker:
        docker["containers"][f"{CLUSTER}-worker"]["state"] = "exited"
    with pytest.raises(ProjectError, match=r"worker is not ready.*\.kubefuture/kind/node-logs.*make doctor"):
        kind.up()
    assert list((kind.project.state / "kind" / "node-logs").rglob("*.log"))


def test_a_fresh_checkout_can_take_it_down_by_its_name(kind, tmp_path):
    kind.up()
    kind.image()
    other = KindLab(tmp_path / "fresh", kind.fake)
    with pytest.raises(
        ProjectError, match=r"nothing of a project nobody .*no kind cluster kubefuture-nobody"
    ):
        Kind().adopt(other.project, "nobody")
    assert kind.ids()
    pushed = "registry.example.org/kubefuture-study:1"
    with kind.fake.change() as docker:
        docker["images"].append(pushed)
    Kind().adopt(other.project, "study")
    assert f"image {IMAGE} is deleted" in other.down()
    assert other.left() == []
    with kind.fake.change() as docker:
        assert docker["images"] == [pushed], "it was never on a node: it belongs to a cluster elsewhere"
    # The first checkout finds that out by itself.
    kind.down()
    assert kind.left() == []


@pytest.fixture
def with_podman(tmp_path, monkeypatch):
    """The same on a machine whose docker does not answer, and that has podman."""
    fake = FakeKind(tmp_path / "both", engines=("docker", "podman"))
    for name, value in fake.environment().items():
        monkeypatch.setenv(name, value)
    with fake.change() as docker:
        docker["away"] = True
    return KindLab(tmp_path / "podman" / "study", fake)


def test_podman_is_taken_where_docker_does_not_work(kind, with_podman, tmp_path):
    lab = with_podman
    assert "is made with podman" in lab.up()
    assert "built and loaded" in lab.image()
    # Which one it was is recorded: the other one would know of no cluster.
    with lab.fake.change() as docker:
        docker["away"] = False
    assert (lab.up(), lab.image()) == ("", "")
    fresh = KindLab(tmp_path / "fresh" / "study", lab.fake)
    Kind().adopt(fresh.project, "study")
    fresh.down()
    assert fresh.left() == [] and lab.fake.containers("podman") == {}


def test_a_volume_that_kind_forgets_when_a_node_does_not_start_is_removed(kind, with_podman):
    with with_podman.fake.change("podman") as podman:
        podman["fault"] = "run"
        podman["volumes"]["other"] = f"{CLUSTER}-worker-control-plane"
    with pytest.raises(ProjectError, match="podman run"):
        with_podman.up()
    with with_podman.fake.change("podman") as podman:
        assert list(podman["volumes"]) == ["other"], "the one of another cluster stays"
    assert Kind().nothing_made(with_podman.record())


def test_an_engine_that_kind_was_told_to_use_is_used_or_named(kind, monkeypatch):
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "nerdctl")
    with pytest.raises(
        ProjectError, match="is nerdctl, and clusters are made here with docker or podman alone"
    ):
        kind.up()
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "docker")
    assert "is made with docker" in kind.up()


def words(kind: KindLab) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"ok": [], "note": [], "stop": []}
    for finding in Kind().check(kind.project, values.load(kind.project)):
        found[finding.state].append(finding.words)
    return found


def test_doctor_looks_at_kind_and_its_engine_and_needs_nothing_else(kind):
    found = words(kind)
    assert found["stop"] == []
    assert {"kind is 0.33.0.", f"The cluster {CLUSTER} can be made."} <= set(found["ok"])
    assert "Nodes are containers of docker, which has 64.0 GiB and 16 cores." in found["ok"]
    kind.up()
    assert f"The cluster {CLUSTER} runs." in words(kind)["ok"]
    with kind.fake.change() as docker:
        docker["containers"][CONTROL]["state"] = "exited"
    assert (
        f"The cluster {CLUSTER} is there, and its node is stopped; `make up` starts what is."
        in words(kind)["note"]
    )


def test_doctor_says_what_of_a_cluster_that_runs_cannot_be_changed(kind):
    kind.up()
    text = kind.project.values_file.read_text()
    kind.set("engine: dask\n")
    assert "up with the engine native" in words(kind)["stop"][0]
    kind.project.values_file.write_text(text)
    kind.set("kind:\n  nodes: 2\n")
    assert "cannot be changed: make down, then make up" in words(kind)["stop"][0]


def test_doctor_says_when_workers_will_not_fit(kind):
    text = kind.project.values_file.read_text()
    kind.project.values_file.write_text(text.replace("count: 2", "count: 90"))
    told = " ".join(words(kind)["note"])
    assert "may use 92.0 GiB" in told and "ask for 91.2 cores" in told


def test_doctor_names_an_old_kind_and_one_that_is_not_there(kind, monkeypatch):
    (kind.fake.bin / "kind").write_text("#!/bin/sh\necho kind v0.23.0 go1.21.10 linux/amd64\n")
    assert "0.24 or newer is needed" in words(kind)["stop"][0]
    (kind.fake.bin / "kind").unlink()
    monkeypatch.setenv("PATH", str(kind.fake.bin))  # this machine may have a real one
    assert "Install it: https://kind.sigs.k8s.io" in words(kind)["stop"][0]


def test_inotify_limits_of_the_kernel_are_looked_at(kind, monkeypatch, tmp_path):
    from kubefuture.kube.kind import checks

    monkeypatch.setattr(checks, "_INOTIFY", tmp_path)
    (tmp_path / "max_user_watches").write_text("524288\n")
    (tmp_path / "max_user_instances").write_text("128\n")
    [told] = words(kind)["note"]
    assert "fs.inotify.max_user_instances is 128" in told
    assert "sudo sysctl fs.inotify.max_user_instances=512" in told


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "ERROR: failed to create cluster: running kind with rootless provider requires cgroup v2, see x",
            "cgroup v2",
        ),
        (
            'ERROR: failed to create cluster: running kind with rootless provider requires setting "Delegate=yes"',
            "systemd-run --scope --user -p Delegate=yes make up",
        ),
        ("ERROR: failed to create cluster: exec format error", "another kind of processor.*kind.node_image"),
        (
            "ERROR: failed to load image: command failed\n\nCommand Output: ctr: content digest sha256:8: not found",
            "containerd's image store",
        ),
        (
            "ERROR: failed to create cluster: could not find a log line that matches x",
            "sysctl fs.inotify.max_user_instances=512",
        ),
        (
            'ERROR: failed to load image: command "podman exec" failed with error: exit status 1\n\n'
            "Command Output: ctr: unheard of\n",
            r"failed to load image: .* exit status 1 \(ctr: unheard of\)\.",
        ),
        (
            "ERROR: something that nobody has seen yet",
            "kind could not do it: something that nobody has seen yet",
        ),
    ],
)
def test_what_kind_says_becomes_a_sentence_with_the_next_step(said, meant):
    assert re.search(meant, tool.explain(said, "docker"))


def test_kubectls_troubles_with_it_are_mended_by_up(kind):
    place = Kind().place(kind.project, values.load(kind.project))
    assert "make up" in explain(f'error: context "{place.context}" does not exist', place)
    away = explain("The connection to the server 127.0.0.1:4 was refused - did you", place)
    assert "make up" in away and "VPN" not in away
    with pytest.raises(KubeError, match="make up"):
        kubectl(place, "get", "nodes", "--output", "json", namespaced=False)


def test_images_are_never_pulled_from_anywhere(kind):
    place = Kind().place(kind.project, values.load(kind.project))
    assert place.pull_policy == "Never"


def test_a_record_survives_a_project_that_moves(kind):
    kind.up()
    moved = kind.project.folder.with_name("study moved")
    kind.project.folder.rename(moved)
    kind.project.folder.symlink_to(moved)
    kind.down()
    assert kind.left() == []
