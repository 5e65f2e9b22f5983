"""The chart on a real cluster, with every Helm: accepted, tested, upgraded and rolled back under work, and rotated."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from kubefuture.client.control import fetch_status
from kubefuture.core.certificate import make_certificate
from kubefuture.core.connection import Connection
from kubefuture.errors import LoginError
from kubefuture.kube.place import slug_of

from tests.chart.helms import CHART, each_helm, helms, rendered, run, write
from tests.chart.matrix import LONG, MATRIX
from tests.kubernetes.lab import Study, await_account, kubectl
from tests.kubernetes.test_strangers import TRY
from tests.project.kit import ROOT

WORK = """
import kubefuture as kf, pathlib, time
def slow(i):
    time.sleep(0.1)
    return i * i
count = 0
while not pathlib.Path("stop").exists():
    assert kf.map(slow, range(12), name=f"{name}-{{count}}", chunk_size=1) == [i * i for i in range(12)]
    count += 1
    print("done", count, flush=True)
print("complete", flush=True)
"""
"""Named work, without end until there is a file `stop`."""


@dataclass(frozen=True)
class Second(Study):
    """Another release in the namespace of a project."""

    @property
    def namespace(self) -> str:
        return f"kubefuture-{slug_of(self.project.name)}"

    @property
    def release(self) -> str:
        return LONG


def version(helm: str) -> str:
    return run(helm, "version", "--template", "{{.Version}}").stdout


def each_pair() -> pytest.MarkDecorator:
    """Each Helm goes on with what another one has installed."""
    found = helms() or [""]
    pairs = list(zip(found, [*found[1:], found[0]], strict=True))
    names = ["-then-".join(map(version, pair)) if found != [""] else "helm" for pair in pairs]
    return pytest.mark.parametrize("pair", pairs, ids=names)


def with_helm(helm: str, folder: Path) -> dict[str, str]:
    """An environment in which `helm` is this one."""
    folder = folder / f"bin-{version(helm)}"
    folder.mkdir(exist_ok=True)
    (folder / "helm").unlink(missing_ok=True)
    (folder / "helm").symlink_to(helm)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def starts(study, component):
    """The pods that are there, by what never comes again."""
    return {pod["metadata"]["uid"] for pod in study.pods(component)}


@pytest.fixture
def space(lab) -> Iterator[str]:
    """A namespace that says what is not allowed there."""
    name = f"space-{secrets.token_hex(3)}"
    where = ("--context", lab.context)
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn")},
        },
    }
    kubectl(where, "apply", "--filename", "-", stdin=json.dumps(manifest)).check_returncode()
    await_account(lab.context, name)
    yield name
    kubectl(where, "delete", "namespace", name, "--wait=false").check_returncode()


@each_helm()
def test_the_api_server_accepts_all_that_the_chart_makes(helm, lab, space, tmp_path):
    everything = [
        one
        for name, told in MATRIX.items()
        for one in rendered(helm, tmp_path, told, release=name, namespace=space)
    ]
    everything += rendered(helm, tmp_path, MATRIX["least"], release=LONG, namespace=space)
    done = kubectl(
        ("--context", lab.context, "--namespace", space),
        *("apply", "--filename", "-", "--dry-run=server", "--validate=strict"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": everything}),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(everything)
    told = write(tmp_path, MATRIX["least"])
    where = ["--kube-context", lab.context, "--namespace", space]
    assert (
        "Warning"
        not in run(helm, "install", LONG, str(CHART), "--values", told, "--dry-run=server", *where).stderr
    )


@each_helm()
def test_a_second_release_with_the_longest_name_lives_beside_the_first(shared, helm, tmp_path):
    """Without `make up`: installed, tested, upgraded, rolled back and deleted by Helm's own commands."""
    # Helm's own limit is one for clusters that nobody else loads.
    where = ["--kube-context", shared.context, "--namespace", shared.namespace, "--timeout=20m"]
    certificate, key = make_certificate()
    content = {"token": os.urandom(32).hex(), "tls.crt": certificate, "tls.key": key}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second"}, "stringData": content}
    shared.kubectl("apply", "--filename", "-", stdin=json.dumps(secret))
    told = {
        "project": "the second",
        "image": {"reference": shared.pods("worker")[0]["spec"]["containers"][0]["image"]},
        "auth": {"secret": "second"},
        "scheduler": {"volume": {"size": "1Gi"}, "memory": "256Mi"},
        "workers": {"count": 1, "cpu": 0.25, "memory": "256Mi", "sharedMemory": "64Mi", "drainSeconds": 5},
    }
    second = Second(shared.project, shared.context)
    try:
        run(helm, "install", LONG, str(CHART), "--values", write(tmp_path, told), "--wait", *where)
        second.wait(
            lambda: len(second.ready("worker")) == 1, "Helm 3 waits for no workers, as all may be away"
        )
        assert "Succeeded" in run(helm, "test", LONG, *where).stdout
        assert "Succeeded" in run(helm, "test", shared.release, *where).stdout
        scheduler = starts(second, "scheduler")

        told["workers"]["count"] = 2
        run(helm, "upgrade", LONG, str(CHART), "--values", write(tmp_path, told), "--wait", *where)
        second.wait(lambda: len(second.ready("worker")) == 2, "two are there")
        run(helm, "rollback", LONG, *where)
        second.wait(lambda: len(second.names("worker")) == 1, "one is left")
        assert starts(second, "scheduler") == scheduler

        own, other = f"+{LONG}-scheduler:7000", f"{shared.release}-scheduler:7000"
        said = shared.kubectl("exec", second.names("worker")[0], "--", "python", "-c", TRY, own, other)
        assert [line.split()[0] for line in said.splitlines()] == ["REACHED", "closed:"]
    finally:
        run(helm, "uninstall", LONG, *where, status=None)
        shared.kubectl("delete", "secret", "second", "--ignore-not-found")
    assert "release: not found" in run(helm, "uninstall", LONG, *where, status=1).stderr
    kinds = "deployments,services,persistentvolumeclaims,networkpolicies,roles,rolebindings,serviceaccounts"
    shared.wait(
        lambda: not shared.get(kinds, "--selector", f"app.kubernetes.io/instance={LONG}")["items"], "gone"
    )
    shared.wait(lambda: not second.names("worker") + second.names("scheduler"), "no pods")


def previous_chart(folder: Path) -> Path:
    """The chart of the last release; until there is one, this chart as it might have been."""
    tags = subprocess.run(
        ["git", "tag", "--merged", "HEAD", "--sort=-creatordate"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    for tag in tags:
        packed = subprocess.run(["git", "archive", tag, "chart"], cwd=ROOT, capture_output=True)
        if packed.returncode == 0:
            subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
            return folder / "chart"
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "0.0.1"}))
    workers = chart / "templates" / "workers.yaml"
    workers.write_text(workers.read_text().replace("periodSeconds: 10", "periodSeconds: 20"))
    return chart


@each_pair()
def test_work_goes_on_while_the_release_is_upgraded_scaled_and_rolled_back(make, pair, tmp_path):
    one, other = (with_helm(helm, tmp_path) for helm in pair)
    study = make(count=2)
    study.set("cpus: 0.25", "cpus: 0.1")
    where = ["--kube-context", study.context, "--namespace", study.namespace]
    chart = study.project.folder / "chart"
    chart.unlink()
    chart.symlink_to(previous_chart(tmp_path))
    study.kubefuture("up", **one)
    with study.running(WORK.format(name="upgraded")) as running:
        running.until("done 1")
        before, key = starts(study, "worker"), Connection.load(study.project.connection_file)
        chart.unlink()
        chart.symlink_to(CHART)
        study.kubefuture("up", **other)
        # The new ones are ready before the last old one is told to go.
        study.wait(lambda: not before & starts(study, "worker"), "the old workers go")
        assert Connection.load(study.project.connection_file) == key, "token and certificate are made once"
        running.until("done")

        # Nothing of this is about the pods, so none of them starts again.
        scheduler, before = starts(study, "scheduler"), starts(study, "worker")
        study.kubefuture("scale", "3", **one)
        study.wait(lambda: len(study.ready("worker")) == 3, "three are there")
        three = starts(study, "worker")
        assert before < three
        study.set("  storage: 1Gi", "  storage: 1Gi\n  egress: [{cidr: 192.0.2.0/24}]")
        study.kubefuture("up", **other)
        study.wait(lambda: len(study.names("worker")) == 2, "what values.yaml says counts again")
        two = starts(study, "worker")
        assert two < three
        study.shows("2 wanted")
        assert "192.0.2.0/24" in json.dumps(study.get("networkpolicies"))

        study.set("  count: 2", "  count: 3")
        study.kubefuture("up", **one)
        assert two < starts(study, "worker")

        # As somebody does who wants the state before back, after the scheduler has changed the number as well.
        study.kubefuture("scale", "4", **one)
        run(pair[0], "rollback", study.release, *where)
        study.wait(lambda: len(study.names("worker")) == 2, "two are left")
        study.kubefuture("up", **other)
        study.wait(lambda: len(study.ready("worker")) == 3, "three are there")
        study.shows("3 wanted")
        assert starts(study, "scheduler") == scheduler
        running.until("done")
        (study.project.folder / "stop").touch()
        assert "complete" in running.rest()
    study.kubefuture("down", **other)


def test_a_rotation_changes_the_locks_and_interrupts_nobody(study, tmp_path):
    old = Connection.load(study.project.connection_file)
    key = base64.b64decode(study.get("secret", f"{study.release}-auth")["data"]["tls.key"]).decode()
    before = starts(study, "worker") | starts(study, "scheduler")
    said = []
    with study.running(WORK.format(name=f"rotated-{tmp_path.stat().st_ino}")) as running:
        running.until("done 1")
        done = study.kubefuture("rotate")
        said.append(done.stdout + done.stderr)
        study.wait(
            lambda: not before & (starts(study, "worker") | starts(study, "scheduler")), "the old pods go"
        )
        running.until("done")
        (study.project.folder / "stop").touch()
        try:
            assert "complete" in running.rest()
        finally:
            (study.project.folder / "stop").unlink()
    new = Connection.load(study.project.connection_file)
    try:
        assert fetch_status(new).workers
        assert new.token != old.token and new.certificate != old.certificate
        for wrong in (old, replace(new, token=old.token), replace(new, certificate=old.certificate)):
            with pytest.raises(LoginError):
                fetch_status(wrong)
    finally:
        new.broken()
    # A second `up` finds everything as it is.
    said.append(study.kubefuture("up").stdout)
    assert "installed" not in said[-1]
    where = ["--kube-context", study.context, "--namespace", study.namespace]
    said += [
        run(helms()[0], "get", "all", study.release, *where).stdout,
        study.kubefuture("logs", "-n", "5000").stdout,
    ]
    new_key = base64.b64decode(study.get("secret", f"{study.release}-auth")["data"]["tls.key"]).decode()
    for secret in (
        old.token,
        new.token,
        *(line for one in (key, new_key) for line in one.splitlines()[1:-1]),
    ):
        assert not [text for text in said if secret in text]
