"""`make up CHECK=1` and `make down CHECK=1` on a cluster: what they say is what happens, and they change nothing."""

from __future__ import annotations

import json

from kubefuture.kube import image, registry
from kubefuture.kube.providers import provider_of
from kubefuture.project import values

from tests.playbooks.test_check_mode import NOTHING, changed, foreseen
from tests.playbooks.tree import tree
from tests.project import kit

KINDS = "deployments,secrets,services,persistentvolumeclaims,networkpolicies,roles,rolebindings,configmaps"


def objects(study):
    """What is in its namespace, in which version; pods come and go by themselves, and so does what is said of them."""
    metas = [(one["kind"], one["metadata"]) for one in study.get(KINDS)["items"]]
    return {(kind, meta["name"]): meta.get("generation") or meta["resourceVersion"] for kind, meta in metas}


def check(study, command="up", *options, status=0):
    """Runs a command in check mode, and sees that it changes nothing here, in the cluster and in the registry."""
    before = tree(study.project.folder), objects(study)
    done = study.kubefuture(command, *options, "--check", status=status)
    assert (tree(study.project.folder), objects(study)) == before
    return done


def image_of(study):
    wanted = values.load(study.project, keep=False)
    return image.recipe(study.project, wanted, provider_of("existing").place(study.project, wanted)).name


def test_what_is_foreseen_is_what_happens(make, lab, installed, tmp_path):
    study = make(count=1)
    first = check(study)
    assert f"would make the namespace {study.namespace}" in first.stdout
    assert f"would build the image {image_of(study)}, and push it" in first.stdout
    assert "would install the chart: a scheduler with a volume of 1Gi, and 1 worker" in first.stdout
    assert objects(study) == {}
    assert study.namespace not in study.kubectl("get", "namespaces")
    assert not registry.digest_of(image_of(study))
    assert not study.project.state.exists()

    up = study.kubefuture("up")
    assert sorted(changed(up)) == sorted(foreseen(first))
    assert NOTHING in check(study).stdout

    study.kubefuture("scale", "2")
    words = "would set the number of workers, which `make scale` has set: 2 → 1"
    assert check(study, "cluster", "connect").stdout.strip() == words

    study.set("  count: 1", "  count: 2\n  env:\n    PASSWORD: do-not-show-this")
    other = check(study, "cluster", "install")
    assert "workers.count 1 → 2" in other.stdout and "workers.env.PASSWORD is new" in other.stdout
    assert "do-not-show-this" not in other.stdout + other.stderr
    assert "the workers start anew" in other.stdout
    assert check(study, "cluster", "connect").stdout == ""  # installing sets it

    study.set("  storage: 1Gi", "  storage: 100Mi")
    refused = kit.one_sentence(check(study, status=1))
    assert refused.startswith("`make up` would fail: The volume of the scheduler cannot be made smaller")
    before = objects(study)
    smaller = kit.one_sentence(study.kubefuture("up", status=1))
    assert "cluster.storage" in smaller and smaller.split("Changed")[0].strip().endswith(
        "What runs is as it was."
    )
    assert objects(study) == before, "no half of it is done"
    study.set("  storage: 100Mi", "  storage: 1Gi")

    # Half of it is gone.
    study.kubectl("delete", "deployment", f"{study.release}-worker")
    assert "a part of it was deleted by hand" in check(study, "cluster", "install").stdout
    assert changed(study.kubefuture("up")) == ["the chart"]
    # Without them everything would run, in an open network.
    study.kubectl("delete", "networkpolicies", "--all")
    assert "a part of it was deleted by hand" in check(study, "cluster", "install").stdout
    assert changed(study.kubefuture("up")) == ["the chart"]
    assert len(study.get("networkpolicies")["items"]) >= 2

    down = check(study, "down")
    for words in (
        *study.names("scheduler"),
        f"the namespace {study.namespace}",
        image_of(study),
        "volume of 1Gi",
    ):
        assert words in down.stdout
    elsewhere = lab.study(tmp_path / "fresh", installed, lab.values())
    before = tree(elsewhere.project.folder)
    options = ("--project", study.project.name, "--provider", "existing")
    told = elsewhere.kubefuture("down", "--check", *options)
    assert f"would delete the namespace {study.namespace}" in told.stdout
    assert tree(elsewhere.project.folder) == before

    study.kubefuture("down")
    assert "would delete nothing" in study.kubefuture("down", "--check").stdout


def test_a_check_of_a_cluster_that_is_away_is_an_error_and_of_down_code_4(make, tmp_path):
    study = make()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": study.context, "context": {"cluster": "c", "user": "u"}}],
    }
    away = tmp_path / "away"
    away.write_text(json.dumps(config))
    done = study.kubefuture("up", "--check", status=1, KUBECONFIG=str(away))
    assert "cannot be reached" in kit.one_sentence(done)
    study.project.records.mkdir(parents=True)
    (study.project.records / "existing.yaml").write_text(
        f"{{provider: existing, kubeconfig: {away}, context: {study.context}, namespace: {study.namespace}, "
        f"release: {study.release}, slug: {study.release}, mark: '', uid: a, made: true, images: [], since: now}}\n"
    )
    before = tree(study.project.folder)
    done = study.kubefuture("down", "--check", status=4)
    assert "cannot be reached" in done.stderr and "(code 4)" in done.stderr
    assert tree(study.project.folder) == before
