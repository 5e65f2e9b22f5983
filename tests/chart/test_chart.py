"""The chart by itself: what it makes of values, what it refuses, and what is a reason to start pods again."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator
from kubefuture.kube import release
from kubefuture.kube.checks import OLDEST
from kubefuture.kube.place import Place
from kubefuture.kube.quantities import quantity
from kubefuture.kube.secret import Secret
from kubefuture.project import values as project_values

from tests.chart.helms import CHART, each_helm, named, rendered, run, write
from tests.chart.matrix import LONG, MATRIX, ODD, PROJECT, values
from tests.project import kit

OLD = ".".join(map(str, OLDEST))
each_values = pytest.mark.parametrize("name", MATRIX)


@each_helm()
@each_values
def test_lint_has_nothing_to_say(helm, name, tmp_path):
    said = run(helm, "lint", "--strict", str(CHART), "--values", write(tmp_path, MATRIX[name])).stdout
    assert re.findall("ERROR|WARNING", said) == []


@each_helm()
@each_values
def test_all_of_it_is_what_the_oldest_and_the_newest_kubernetes_know(helm, name, tmp_path):
    for one in rendered(helm, tmp_path, MATRIX[name]):
        for version in (OLD, kubernetes_validate.latest_version()):
            kubernetes_validate.validate(one, version, strict=True)


def test_chart_and_doctor_agree_on_the_oldest_kubernetes():
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["kubeVersion"] == f">={OLD}.0-0"


@each_helm()
@pytest.mark.parametrize("provider", ["existing", "kind"])
@pytest.mark.parametrize("engine", ["native", "dask"])
@pytest.mark.parametrize("at_start", [False, True], ids=["image", "at_start"])
def test_what_make_up_tells_the_chart_is_allowed(helm, tmp_path, monkeypatch, provider, engine, at_start):
    """With each key of the project's values.yaml."""
    monkeypatch.setattr(release, "api_server", lambda place: {"cidrs": ["10.0.0.1/32"], "ports": [443, 6443]})
    project = kit.make_project(
        tmp_path / PROJECT,
        f"provider: {provider}\nengine: {engine}\n"
        """\
workers: {count: 3, cpus: 0.05, memory: 0.5Gi, gpu: 1, spot: true, threads_per_slot: 2, node_selector: {a: "1"},
          env: {A: "$(B)"}, env_from: [database-login]}
cluster: {context: lab, registry: example.org/x, pull_secrets: [one], storage: 1Gi, storage_class: fast,
          egress: [{cidr: 10.0.0.0/8, ports: []}]}
""",
    )
    place = Place(provider, "/config", "lab", "space", "study", "study")
    told = release.chart_values(
        project, project_values.load(project), place, "example.org/x:1", Secret("00" * 32, "", "", "0012"),
        at_start=MATRIX["packages-at-start"]["atStart"] if at_start else None,
    )  # fmt: skip
    objects = rendered(helm, tmp_path, told)
    for one in objects:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    worker = named(objects, "Deployment", "-worker")
    [container] = worker["spec"]["template"]["spec"]["containers"]
    # What is on the nodes of kind is never pulled; a base image that nobody has put there is.
    assert container["imagePullPolicy"] == (
        "Never" if provider == "kind" and not at_start else "IfNotPresent"
    )
    assert ("initContainers" in worker["spec"]["template"]["spec"]) == at_start
    assert ("PersistentVolumeClaim" in {one["kind"] for one in objects}) == (engine == "native")
    assert container["resources"]["limits"] == {"cpu": "50m", "memory": "512Mi", "nvidia.com/gpu": 1}
    assert len(worker["spec"]["template"]["spec"]["tolerations"]) == 5
    assert container["envFrom"] == [{"secretRef": {"name": "database-login"}}]


@each_helm()
@each_values
def test_every_container_has_requests_and_limits_so_that_a_quota_counts_them_and_no_default_applies(
    helm, name, tmp_path
):
    for one in rendered(helm, tmp_path, MATRIX[name]):
        if one["kind"] not in ("Deployment", "Pod"):
            continue
        spec = one["spec"]["template"]["spec"] if one["kind"] == "Deployment" else one["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert {"cpu", "memory"} <= set(requests) and set(requests) <= set(limits)
            for resource in requests:
                # Also what is less than a tenth of its limit is refused in some namespaces.
                asked, most = quantity(requests[resource]), quantity(limits[resource])
                assert asked <= most <= 10 * asked, (container["name"], resource)


@each_helm()
@pytest.mark.parametrize(
    ("name", "secrets"), [("secrets", ["database-login", "123"]), ("packages-at-start", ["database-login"])]
)
def test_secrets_become_variables_of_the_workers_own_program_and_of_nothing_else(
    helm, name, secrets, tmp_path
):
    objects = rendered(helm, tmp_path, MATRIX[name])
    worker = named(objects, "Deployment", "-worker")["spec"]["template"]["spec"]
    assert worker["containers"][0]["envFrom"] == [{"secretRef": {"name": one}} for one in secrets]
    elsewhere = [
        named(objects, "Deployment", "-scheduler")["spec"]["template"]["spec"],
        named(objects, "Pod")["spec"],
    ]
    containers = [one for spec in elsewhere for one in spec["containers"]]
    containers += [one for spec in (worker, *elsewhere) for one in spec.get("initContainers", ())]
    assert not any("envFrom" in one for one in containers)


@each_helm()
def test_installing_packages_makes_a_pod_count_no_more(helm, tmp_path):
    for kind, end in (("Deployment", "-worker"), ("Deployment", "-scheduler")):
        spec = named(rendered(helm, tmp_path, MATRIX["packages-at-start"]), kind, end)["spec"]["template"][
            "spec"
        ]
        [install], [program] = spec["initContainers"], spec["containers"]
        assert install["resources"] == program["resources"]


def expanded(text: str, known: dict[str, str]) -> str:
    """What Kubernetes makes of a text in a command or an environment: $(NAME) is a variable's, and $$ is $."""
    return re.sub(
        r"\$(\$|\(([^)]*)\))", lambda found: "$" if found[1] == "$" else known.get(found[2], found[0]), text
    )


@each_helm()
def test_texts_arrive_as_they_were_written(helm, tmp_path):
    objects = rendered(helm, tmp_path, MATRIX["texts"])
    for end, home in (("-worker", "/var/tmp"), ("-scheduler", "/home/kubefuture")):
        pod = named(objects, "Deployment", end)["spec"]["template"]
        [container] = pod["spec"]["containers"]
        names = [one["name"] for one in container["env"]]
        assert len(names) == len(set(names))
        arrived: dict[str, str] = {}
        for one in container["env"]:
            if "value" in one:
                arrived[one["name"]] = expanded(one["value"], {**arrived, "ANY": "wrong"})
        assert arrived == {**ODD, "HOME": home}
        assert f"--project={PROJECT}" in [expanded(one, arrived) for one in container["args"]]
        assert pod["metadata"]["annotations"]["kubefuture/auth-version"] == "0012345678"
    [test] = named(objects, "Pod")["spec"]["containers"]
    assert f"--project={PROJECT}" in [expanded(one, {"HOME": "wrong"}) for one in test["args"]]


LABEL = r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"


def labels(thing: Any) -> list[str]:
    """All values of labels, wherever they are."""
    if isinstance(thing, list):
        return [label for one in thing for label in labels(one)]
    if not isinstance(thing, dict):
        return []
    here = [label for key in ("labels", "matchLabels") for label in thing.get(key, {}).values()]
    return here + [label for one in thing.values() for label in labels(one)]


@each_helm()
@pytest.mark.parametrize("version", ["0.1.0", f"10.20.30-alpha.{'1' * 39}.--+build.{'7' * 30}"])
@pytest.mark.parametrize("name", [LONG, "a", "true"])
def test_names_and_labels_are_short_enough_whatever_the_release_and_the_version_are_called(
    helm, name, version, tmp_path
):
    objects = rendered(
        helm, tmp_path, values(), release=name, chart=another(tmp_path, version), namespace="123"
    )
    assert {one["metadata"]["name"] for one in objects} == {
        f"{name}-{part}" for part in ("scheduler", "worker", "test")
    }
    assert all(len(one["metadata"]["name"]) <= 63 for one in objects)
    found = labels(objects)
    assert name in found and [label for label in found if not re.fullmatch(LABEL, label)] == []
    assert named(objects, "RoleBinding")["subjects"][0]["namespace"] == "123"


def another(folder: Path, version: str) -> Path:
    """The chart, with another version."""
    chart = folder / "another"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": version, "appVersion": version}))
    return chart


def pods(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """What the pods of each Deployment are made by: they start again when it changes."""
    return {
        one["metadata"]["name"]: one["spec"]["template"] for one in objects if one["kind"] == "Deployment"
    }


@each_helm()
@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, set()),
        ({"workers": {"count": 7}}, set()),
        ({"networkPolicy": MATRIX["network"]["networkPolicy"]}, set()),
        ({"workers": {"memory": "3Gi"}}, {"study-worker"}),
        ({"scheduler": {"memory": "3Gi"}}, {"study-scheduler"}),
        ({"auth": {"secret": "study-auth", "version": "2"}}, {"study-scheduler", "study-worker"}),
    ],
    ids=["version", "count", "network", "workers", "scheduler", "auth"],
)
def test_pods_start_again_only_for_what_is_theirs(helm, change, again, tmp_path):
    before = pods(rendered(helm, tmp_path, values()))
    after = pods(rendered(helm, tmp_path, values(**change), chart=another(tmp_path, "9.9.9")))
    assert {name for name in before if before[name] != after[name]} == again


@each_helm()
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": {}}, "/image/reference"),
        ({"auth": {}}, "/auth/secret"),
        ({"colour": "red"}, "colour"),
        ({"workers": {"cpus": 1}}, "cpus"),
        ({"workers": {"count": -1}}, "/workers/count"),
        ({"workers": {"count": None}}, "count"),
        ({"workers": {"count": "2"}}, "/workers/count.*want integer"),
        ({"workers": {"count": 1.5}}, "/workers/count.*want integer"),
        ({"workers": {"memory": "2 GB"}}, "/workers/memory"),
        ({"workers": {"memory": "0Gi"}}, "/workers/memory"),
        ({"workers": {"cpu": 0}}, "/workers/cpu"),
        ({"workers": {"env": {"A": 1}}}, "/workers/env/A.*want string"),
        ({"workers": {"env": {"A": None, "B": True}}}, "/workers/env/B.*want string"),
        ({"workers": {"env": {"A-B": "x"}}}, "A-B"),
        ({"workers": {"env": {"KUBEFUTURE_NODE": "x"}}}, "KUBEFUTURE_NODE"),
        ({"workers": {"envFrom": ["A_SECRET"]}}, "/workers/envFrom/0"),
        ({"workers": {"nodeSelector": {"gpu": True}}}, "/workers/nodeSelector/gpu.*want string"),
        ({"scheduler": {"volume": {"size": "big"}}}, "/scheduler/volume/size"),
        ({"image": {"reference": "x", "pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"networkPolicy": {"egress": [{"ports": [1]}]}}, "cidr"),
        ({"networkPolicy": {"egress": [{"cidr": "everywhere"}]}}, "/networkPolicy/egress/0/cidr"),
        (
            {"networkPolicy": {"egress": [{"cidr": "::/0", "ports": [70000]}]}},
            "/networkPolicy/egress/0/ports/0",
        ),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "/networkPolicy/apiServer/ports"),
        ({"networkPolicy": {"enabled": "no"}}, "/networkPolicy/enabled.*want boolean"),
    ],
    ids=lambda one: json.dumps(one) if isinstance(one, dict) else "",
)
def test_what_is_not_allowed_is_refused_by_the_keys_name(helm, change, words, tmp_path):
    told = write(tmp_path, change if set(change) & {"image", "auth"} else values(**change))
    said = run(helm, "template", "study", str(CHART), "--values", told, status=1).stderr
    assert re.search(f"schema.*{words}", said, re.DOTALL), said


def leaves(thing: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All keys of the chart's own values that hold one thing, or what users name themselves."""
    if not isinstance(thing, dict) or not thing:
        return [above]
    return [leaf for key, below in thing.items() for leaf in leaves(below, (*above, key))]


DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_every_value_is_in_the_schema_and_no_other():
    def keys(schema: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        if "properties" not in schema or above == ("atStart",):  # which is empty or whole
            return [above]
        assert schema["additionalProperties"] is False and sorted(schema["required"]) == sorted(
            set(schema["properties"]) - {"global"}
        )
        return [leaf for name, part in schema["properties"].items() for leaf in keys(part, (*above, name))]

    assert sorted(keys(SCHEMA)) == sorted([*leaves(DEFAULTS), ("global",)])


def test_no_value_can_be_taken_away():
    """Helm takes a key that is null out of the chart's own values; nothing is rendered without it."""
    whole = {
        **DEFAULTS,
        "image": {**DEFAULTS["image"], "reference": "x"},
        "auth": {"secret": "y", "version": "1"},
    }
    schema = Draft7Validator(SCHEMA)
    assert schema.is_valid(whole)
    for leaf in leaves(DEFAULTS):
        without = copy.deepcopy(whole)
        part = without
        for key in leaf[:-1]:
            part = part[key]
        del part[leaf[-1]]
        assert not schema.is_valid(without), leaf
