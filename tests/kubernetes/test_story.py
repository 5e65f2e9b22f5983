"""The whole story on a cluster, as a user has it: up, run, look, scale, down."""

from __future__ import annotations

import base64
import gzip
import json
import re
import secrets

import pytest
import yaml
from kubefuture.kube import engine, registry
from kubefuture.kube.quantities import quantity

from tests.kubernetes.test_check_mode import objects
from tests.project import kit

SEEDED = """
import kubefuture as kf, numpy as np, os
def draw(i):
    e = os.environ
    return float(np.random.normal()), e.get("KUBEFUTURE_NODE", ""), kf.available_cores(), e.get("OMP_NUM_THREADS")
there = kf.map(draw, range(40), seed=7, chunk_size=2)
with kf.plan("sequential"):
    here = kf.map(draw, range(40), seed=7)
assert [one[0] for one in there] == [one[0] for one in here]
print("nodes", sorted({one[1] for one in there}), "cores", {one[2] for one in there}, {one[3] for one in there})
print("equal", kf.n_workers())
"""


def namespaces(study):
    found = json.loads(study.kubectl("get", "namespaces", "--output", "json"))["items"]
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"] == study.namespace]


def recorded(study):
    [path] = study.project.records.glob("*.yaml")
    return yaml.safe_load(path.read_text())


def saved(folder):
    """The pods whose words were kept; those of a container that was started anew have one more file."""
    names = [path.name.removesuffix(".log") for path in folder.glob("*.log")]
    return [name for name in names if not name.endswith(".before")]


def test_up_run_and_down_leave_nothing(make):
    study = make(count=2)
    first = study.kubefuture("up")
    assert "namespace" in first.stdout and "2 workers are ready" in first.stdout
    labels = study.get("namespace", study.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    [image] = recorded(study)["images"]
    assert registry.digest_of(image)

    before = objects(study)
    second = study.kubefuture("up").stdout
    assert objects(study) == before
    assert "Nothing had to change." in second

    said = study.run(SEEDED)
    assert "equal 2" in said
    assert re.search(r"cores \{1\} \{'1'\}", said)
    nodes = set(re.findall(r"'([^']+)'", said.split("cores")[0]))
    assert nodes and nodes <= {pod["spec"]["nodeName"] for pod in study.pods("worker")}

    study.shows(image, "40 done", "2 wanted, 2 connected")

    assert engine.holders(image)
    down = study.kubefuture("down").stdout
    assert "Everything is down. Nothing is left." in down
    assert namespaces(study) == []
    assert not registry.digest_of(image)
    assert not engine.holders(image), "nor has the machine that built it"
    assert not list(study.project.records.glob("*.yaml"))
    assert not study.project.connection_file.exists()
    assert len(saved(study.project.state / "existing" / "logs")) == 3
    assert "Nothing was up" in study.kubefuture("down").stdout


def test_scale_reaches_the_pods_and_no_element_is_lost_or_run_twice(study):
    script = """
import kubefuture as kf, time
def once(i):
    time.sleep(0.2)
    return i
done = []
for one in kf.imap(once, range(100), chunk_size=1):
    done.append(one)
    if len(done) == 4: print("going", flush=True)
assert done == list(range(100))
while kf.n_workers() != 1: time.sleep(0.1)
print("all")
"""
    with study.running(script) as running:
        running.until("going")
        study.kubefuture("scale", "4")
        study.shows("4 connected")
        study.wait(lambda: len(study.ready("worker")) == 4, "four pods are ready")
        study.kubefuture("scale", "1")
        assert "all" in running.rest()
    study.wait(lambda: len(study.all_pods("worker")) == 1, "one worker is left")
    logs = study.kubefuture("logs", "-n", "5000").stdout
    assert not re.search("element-(lost|retried|struck|poisoned)", logs)


def test_down_from_another_checkout_needs_only_the_projects_name(make, lab, installed, tmp_path):
    study = make()
    study.kubefuture("up")
    [image] = recorded(study)["images"]
    other = lab.study(tmp_path / "fresh", installed, lab.values())
    sentence = kit.one_sentence(
        other.kubefuture("down", "--project", "nobody-has-this", "--provider", "existing", status=4)
    )
    assert "nothing of a project nobody-has-this" in sentence
    other.kubefuture("down", "--project", study.project.name, "--provider", "existing")
    assert namespaces(study) == []
    assert not registry.digest_of(image)
    # The first checkout finds that out by itself, and is content.
    assert "Nothing is left" in study.kubefuture("down").stdout


def test_a_namespace_that_was_there_is_used_and_stays(make):
    study = make()
    name = f"given-{secrets.token_hex(3)}"
    study.kubectl("create", "namespace", name)
    try:
        study.set("  storage: 1Gi", f"  storage: 1Gi\n  namespace: {name}")
        study.kubectl("create", "configmap", "mine", "--namespace", name, "--from-literal=a=b")
        study.kubefuture("up")
        assert "equal 1" in study.run(SEEDED)
        study.kubefuture("down")
        found = json.loads(study.kubectl("get", "all,configmap,secret,pvc,role", "-n", name, "-o", "json"))
        assert {one["metadata"]["name"] for one in found["items"]} == {"mine", "kube-root-ca.crt"}
    finally:
        study.kubectl("delete", "namespace", name, "--wait=false")


def test_a_login_of_one_namespace_is_enough_from_up_to_down(make, lab, installed, tmp_path):
    study = make()
    name = f"given-{secrets.token_hex(3)}"
    study.kubectl("create", "namespace", name)
    try:
        inside = ("--namespace", name)
        study.kubectl("create", "serviceaccount", "ann", *inside)
        study.kubectl(
            "create", "rolebinding", "ann", *inside, "--clusterrole=admin", f"--serviceaccount={name}:ann"
        )
        file = study.login(study.kubectl("create", "token", "ann", *inside).strip(), tmp_path / "ann")
        given = f"  storage: 1Gi\n  namespace: {name}"
        study.set("  storage: 1Gi", given)
        assert "may not list nodes" in study.kubefuture("doctor", KUBECONFIG=file).stdout
        study.kubefuture("up", KUBECONFIG=file)
        assert "equal 1" in study.run(SEEDED)
        down = study.kubefuture("down", KUBECONFIG=file).stdout
        assert "Everything is down. Nothing is left." in down
        assert "whose volume your login may not see" in down

        study.kubefuture("up", KUBECONFIG=file)
        [image] = recorded(study)["images"]
        other = lab.study(tmp_path / "fresh", installed, lab.values())
        other.set("  storage: 1Gi", given)
        gone = ("down", "--project", study.project.name, "--provider", "existing")
        assert "Nothing is left." in other.kubefuture(*gone, KUBECONFIG=file).stdout
        assert not registry.digest_of(image)
        found = study.kubectl("get", "deployments,pods,pvc,secrets", "--output", "name", *inside)
        assert found.strip() == ""
    finally:
        study.kubectl("delete", "namespace", name, "--wait=false")


def test_a_release_of_somebody_else_in_a_shared_namespace_is_refused_and_not_touched(
    make, lab, installed, tmp_path
):
    """As where a course gives all its students one namespace, and one template."""
    study = make()
    name = f"given-{secrets.token_hex(3)}"
    study.kubectl("create", "namespace", name)
    try:
        given = f"  storage: 1Gi\n  namespace: {name}"
        study.set("  storage: 1Gi", given)
        study.kubefuture("up")
        things = ("get", "deployments,secrets,pods", "--namespace", name, "--output", "name")
        before = study.kubectl(*things)
        other = lab.study(tmp_path / "other" / study.project.name, installed, lab.values())
        other.set("  storage: 1Gi", given)
        for command in (("up",), ("up", "--check"), ("doctor",)):
            done = other.kubefuture(*command, status=1)
            assert "made by another checkout of a project of this name" in done.stdout + done.stderr
        assert "Nothing was up" in other.kubefuture("down").stdout
        assert study.kubectl(*things) == before
        assert "equal 1" in study.run(SEEDED)
        study.kubefuture("down")
    finally:
        study.kubectl("delete", "namespace", name, "--wait=false")


def test_of_two_projects_of_one_name_only_the_one_that_is_meant_is_ended(make, lab, installed, tmp_path):
    study, number = make(), secrets.token_hex(3)
    other = lab.study(tmp_path / "other" / study.project.name, installed, lab.values())
    names = [f"first-{number}", f"second-{number}"]
    for one, name in zip((study, other), names, strict=True):
        one.set("  storage: 1Gi", f"  storage: 1Gi\n  namespace: {name}")
        one.kubefuture("up")
    fresh = lab.study(tmp_path / "fresh", installed, lab.values())
    gone = ("down", "--project", study.project.name, "--provider", "existing")
    told = kit.one_sentence(fresh.kubefuture(*gone, status=4))
    assert f"{names[0]}, {names[1]}. Write the one that is meant into cluster.namespace" in told
    fresh.set("  storage: 1Gi", f"  storage: 1Gi\n  namespace: {names[1]}")
    fresh.kubefuture(*gone)
    there = study.kubectl("get", "namespaces", "--output", "name").split()
    assert f"namespace/{names[0]}" in there and f"namespace/{names[1]}" not in there
    study.kubefuture("down")


def test_workers_that_find_no_room_are_named_and_taken_back_by_the_next_up(make):
    study = make()
    nodes = study.get("nodes")["items"]
    most = max(quantity(one["status"]["allocatable"]["cpu"]) for one in nodes)
    # More than half of the largest node, so that no node has room for two.
    study.set("  cpus: 0.25", f"  cpus: {0.6 * float(most):.1f}")
    study.kubefuture("up")
    named = kit.one_sentence(study.kubefuture("scale", str(len(nodes) + 1), status=1))
    assert "No node has room for a worker: not enough cpu" in named
    told = study.kubefuture("up", "--check").stdout
    assert "would take back workers that `make scale` has asked for" in told
    assert "for which there was no room, are taken back" in study.kubefuture("up").stdout
    study.wait(lambda: len(study.all_pods("worker")) == 1, "what values.yaml says counts again")
    assert "Nothing had to change." in study.kubefuture("up").stdout
    study.kubefuture("down")


def test_what_workers_are_told_to_be_reaches_what_runs_in_them(make):
    study = make()
    node = json.loads(study.kubectl("get", "nodes", "--output", "json"))["items"][-1]["metadata"]["name"]
    selector = f"  node_selector: {{kubernetes.io/hostname: {node}}}\n"
    told = f"  cpus: 1.1\n  threads_per_slot: 2\n  env: {{GREETING: good day}}\n{selector}"
    study.set("  cpus: 0.25\n", told)
    study.kubefuture("up")
    said = study.run(
        SEEDED.replace('e.get("OMP_NUM_THREADS")', 'e.get("OMP_NUM_THREADS", ""), e.get("GREETING")').replace(
            "{one[3] for one in there}", "{one[3:] for one in there}"
        )
    )
    assert f"nodes ['{node}'] cores {{2}} {{('2', 'good day')}}" in said
    study.kubefuture("down")


def test_an_image_that_a_colleague_has_pushed_stays(make, lab, installed, tmp_path):
    study = make()
    study.kubefuture("up")
    [image] = recorded(study)["images"]
    name = f"given-{secrets.token_hex(3)}"
    study.kubectl("create", "namespace", name)
    try:
        other = lab.study(tmp_path / "other" / study.project.name, installed, lab.values())
        other.set("  storage: 1Gi", f"  storage: 1Gi\n  namespace: {name}")
        assert f"would use the image {image}" in other.kubefuture("up", "--check").stdout
        other.kubefuture("up")
        other.kubefuture("up")
        assert "Nothing is left." in other.kubefuture("down").stdout
        assert registry.digest_of(image)
    finally:
        study.kubectl("delete", "namespace", name, "--wait=false")
    assert "equal 1" in study.run(SEEDED)
    study.kubefuture("down")
    assert not registry.digest_of(image)


def test_a_namespace_that_somebody_has_made_anew_under_our_name_is_left_alone(make):
    study = make()
    study.kubefuture("up")
    study.kubectl("delete", "namespace", study.namespace)
    study.kubectl("create", "namespace", study.namespace)
    study.kubectl("create", "configmap", "theirs", "--from-literal=a=b")
    down = study.kubefuture("down").stdout
    assert f"The namespace {study.namespace} is another one than was made, and is left alone." in down
    assert "Nothing is left." in down
    assert "theirs" in study.kubectl("get", "configmaps")


def test_a_namespace_of_another_project_is_refused_and_not_touched(make, lab, installed, tmp_path):
    study = make()
    study.kubefuture("up")
    # The same project's name, in another folder.
    again = lab.study(tmp_path / "elsewhere" / study.project.name, installed, lab.values())
    assert "another checkout" in kit.one_sentence(again.kubefuture("up", status=1))
    assert "Nothing was up" in again.kubefuture("down").stdout
    assert namespaces(study) == [study.namespace]
    study.kubefuture("down")


def test_down_with_the_cluster_gone_says_that_it_cannot_tell(make, tmp_path):
    study = make()
    study.kubefuture("up")
    [record] = study.project.records.glob("*.yaml")
    kept = record.read_text()
    away = tmp_path / "away"
    away.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": study.context, "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    record.write_text(re.sub("kubeconfig: .*", f"kubeconfig: {away}", kept))
    done = study.kubefuture("down", status=4)
    assert "cannot be reached" in done.stderr and "(code 4)" in done.stderr
    assert record.exists()
    record.write_text(kept)
    study.kubefuture("down")


def test_the_current_context_never_counts(make, tmp_path):
    study = make()
    config = json.loads(study.kubectl("config", "view", "--raw", "--flatten", "--output", "json"))
    config["contexts"].append({"name": "elsewhere", "context": {"cluster": "x", "user": "x"}})
    config["clusters"].append({"name": "x", "cluster": {"server": "https://127.0.0.1:9"}})
    config["users"].append({"name": "x", "user": {}})
    config["current-context"] = "elsewhere"
    file = tmp_path / "config"
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    study.kubefuture("up", KUBECONFIG=str(file))
    study.kubefuture("down", KUBECONFIG="/nowhere")
    assert namespaces(study) == []

    # The file that was used is not there any more, but another one that has the context.
    study.kubefuture("up", KUBECONFIG=str(file))
    moved = file.rename(tmp_path / "moved")
    lost = study.kubefuture("down", KUBECONFIG="/nowhere", status=4)
    assert "name the file that has it in KUBECONFIG" in lost.stderr
    assert "Nothing is left." in study.kubefuture("down", KUBECONFIG=str(moved)).stdout
    assert namespaces(study) == []


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade"])
def test_half_of_an_install_is_mended_by_the_next_up(make, status):
    study = make()
    study.kubefuture("up")
    # Helm marks what it has begun, and a helm that is killed leaves the mark.
    version = "1" if status == "pending-install" else "2"
    if version == "2":
        study.set("  cpus: 0.25", "  cpus: 0.2")
        study.kubefuture("up")
    name = f"sh.helm.release.v1.{study.release}.v{version}"
    secret = study.get("secret", name)
    inner = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    inner["info"]["status"] = status
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(inner).encode()))).decode()
    change = {"data": {"release": packed}, "metadata": {"labels": {"status": status}}}
    study.kubectl("patch", "secret", name, "--patch", json.dumps(change))
    study.kubefuture("up")
    assert "equal 1" in study.run(SEEDED)
    study.kubefuture("down")
