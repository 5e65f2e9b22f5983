"""What cannot run is named in one sentence, soon, with the key that mends it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kubefuture.kube import registry, rollout
from kubefuture.kube.engine import find_engine
from kubefuture.kube.record import read
from kubefuture.project.errors import ProjectError
from kubefuture.project.progress import Step

from tests.project import kit


def fails(study, *words):
    """`up` fails with one sentence; what it began goes down again."""
    done = study.kubefuture("up", status=1)
    sentence = kit.one_sentence(done)
    for word in words:
        assert re.search(word, sentence), sentence
    study.kubefuture("down")


def test_a_worker_that_no_node_has_room_for(make):
    study = make()
    study.set("memory: 256Mi", "memory: 900Ti")
    fails(study, "No node has room for a worker: not enough memory", "workers.memory")


def test_what_was_wrong_and_is_mended_does_not_stop_the_next_up(make):
    study = make()
    study.set("memory: 256Mi", "memory: 900Ti")
    study.kubefuture("up", status=1)
    study.set("memory: 900Ti", "memory: 256Mi")
    assert "1 worker is ready" in study.kubefuture("up").stdout
    study.set("  cpus: 0.25", "  cpus: 0.25\n  gpu: 3")
    assert "not enough nvidia.com/gpu" in kit.one_sentence(study.kubefuture("up", status=1))
    study.set("\n  gpu: 3", "")
    assert "1 worker is ready" in study.kubefuture("up").stdout
    study.kubefuture("down")


def test_a_label_that_no_node_has(make):
    study = make()
    study.set("  cpus: 0.25", "  cpus: 0.25\n  node_selector: {disktype: imaginary}")
    fails(study, "node_selector")


def test_a_storage_class_that_is_not_there(make):
    study = make(more="  storage_class: imaginary\n")
    fails(study, "no storage class imaginary", "cluster.storage_class")


def test_a_registry_that_nobody_answers_for(make, lab):
    study = make()
    study.set(lab.registry, "127.0.0.1:9")
    fails(study, r"registry 127\.0\.0\.1:9 cannot be reached")


def test_a_context_that_is_not_there(make, lab):
    study = make()
    study.set(f"context: {lab.context}", "context: imaginary")
    fails(study, "no context imaginary", "get-contexts")


def test_a_quota_that_is_too_small(make):
    study = make(count=2)
    name = f"given-{secrets.token_hex(3)}"
    study.kubectl("create", "namespace", name)
    try:
        study.kubectl("create", "quota", "few", "--hard=pods=2", "--namespace", name)
        hard = ["get", "quota", "few", "--namespace", name, "--output", "jsonpath={.status.hard.pods}"]
        study.wait(lambda: study.kubectl(*hard) == "2", "it counts")
        study.set("  storage: 1Gi", f"  storage: 1Gi\n  namespace: {name}")
        # Which of the three pods is refused is chance.
        fails(study, "quota does not allow another (worker|scheduler): few", "workers.count")
    finally:
        study.kubectl("delete", "namespace", name, "--wait=false")


def test_a_login_that_may_not_do_it(make, lab, tmp_path):
    """The verb and the resource are named."""
    study = make()
    study.kubectl("create", "serviceaccount", f"weak-{study.release}", "--namespace", "default")
    try:
        token = study.kubectl("create", "token", f"weak-{study.release}", "--namespace", "default").strip()
        file = Path(study.login(token, tmp_path / "weak"))
        done = study.kubefuture("up", status=1, KUBECONFIG=str(file))
        assert re.search(r"may not get namespaces", kit.one_sentence(done)), done.stderr
        # A login that may look around, and make nothing.
        see = ("clusterrolebinding", f"weak-{study.release}")
        study.kubectl("create", *see, "--clusterrole=view", f"--serviceaccount=default:weak-{study.release}")
        try:
            done = study.kubefuture("up", status=1, KUBECONFIG=str(file))
            words = "your login may not create namespaces. Ask who runs the cluster for one"
            assert words in kit.one_sentence(done)
        finally:
            study.kubectl("delete", *see)
        wrong = tmp_path / "wrong"
        wrong.write_text(file.read_text().replace(token, "nonsense"))
        wrong.chmod(0o600)
        assert "Log in again" in kit.one_sentence(
            study.kubefuture("doctor", status=1, KUBECONFIG=str(wrong))
        ) + (study.kubefuture("doctor", status=1, KUBECONFIG=str(wrong)).stdout)
    finally:
        study.kubectl("delete", "serviceaccount", f"weak-{study.release}", "--namespace", "default")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"PYTHON": "3.12"}, r"wrong Python: 3\.11, and the project has 3\.12"),
        ({"ARCHITECTURE": "riscv64"}, r"base image is for \w+, and the cluster's nodes are riscv64"),
        ({"APT": "imaginary-package"}, r"packages\.apt in values\.yaml names imaginary-package"),
    ],
    ids=["another Python", "another processor", "a Debian package that does not exist"],
)
def test_an_image_that_cannot_be_built(lab, tmp_path, changes, wrong):
    for path in ("docker/Dockerfile", "runtime/src/kubefuture/pod/install.py"):
        (tmp_path / Path(path).name).write_bytes((kit.ROOT / path).read_bytes())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    arguments = {"BASE": "python:3.11-slim", "PYTHON": "3.11", "ARCHITECTURE": machine, "APT": ""} | changes
    with pytest.raises(ProjectError, match=wrong), Step("") as step:
        find_engine().build(
            tmp_path, f"{lab.registry}/tests/none:1", arguments, step, platform=f"linux/{machine}"
        )


OTHER_PYTHON = """\
ARG BASE
FROM ${BASE}
RUN echo "import sys; sys.version_info = (3, 10, 0)" \\
    > "$(python3 -c 'import site; print(site.getsitepackages()[0])')/other.pth"
"""


def test_a_pod_of_an_image_with_another_python(make, lab, tmp_path):
    study = make()
    image = f"{lab.registry}/tests/other-python-{tmp_path.stat().st_ino}:1"
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text(OTHER_PYTHON)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    engine = find_engine()
    with Step("") as step:
        engine.build(folder, image, {"BASE": "python:3.11-slim"}, step, platform=f"linux/{machine}")
        engine.push(image, step)
    try:
        study.set("packages:\n  pip: []", "packages:\n  at_start: true\n  pip: []")
        study.set("  storage: 1Gi", f"  storage: 1Gi\n  base_image: {image}")
        fails(study, r"wrong Python: 3\.10, and the project has 3\.11")
    finally:
        registry.delete(image)
        subprocess.run([engine.name, "rmi", image], capture_output=True)


@contextmanager
def patched(study, component, *changes):
    """Changes a Deployment by hand, for a while."""
    deployment = f"{study.release}-{component}"
    study.kubectl("patch", "deployment", deployment, "--type=json", "--patch", json.dumps(changes))
    try:
        yield
    finally:
        study.kubectl("rollout", "undo", f"deployment/{deployment}")
        study.wait(lambda: 0 < len(study.ready(component)) == len(study.pods(component)), "it is as it was")


def stops_waiting(study, words):
    """What `up` would say while it waits."""
    place = read(study.project, "existing").place
    with pytest.raises(ProjectError, match=words), Step("") as step:
        rollout.wait(place, step)


CONTAINER = "/spec/template/spec/containers/0"


def test_a_crash_loop_is_named_with_its_last_lines(study):
    with patched(study, "worker", {"op": "replace", "path": f"{CONTAINER}/args", "value": ["worker"]}):
        stops_waiting(study, r"ends again and again .*the following arguments are required")
        assert "last words before that" in study.kubefuture("status", status=None).stdout


def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(study):
    # A node may have an image still that the registry has not, so one is named that never was.
    image = study.pods("worker")[0]["spec"]["containers"][0]["image"]
    gone = image.rsplit(":", 1)[0] + ":never-pushed"
    with patched(study, "worker", {"op": "replace", "path": f"{CONTAINER}/image", "value": gone}):
        stops_waiting(study, r"cannot pull the image .*:never-pushed: .*not found")


def test_a_pod_that_pod_security_refuses_is_named_with_the_reason(study):
    with patched(
        study,
        "worker",
        {"op": "replace", "path": f"{CONTAINER}/securityContext/allowPrivilegeEscalation", "value": True},
    ):
        stops_waiting(study, "Pod Security does not allow a worker: .*allowPrivilegeEscalation")


def test_a_claim_that_stays_pending_is_named(make):
    study = make()
    # There is such a class, and nobody makes volumes of it.
    name = f"by-hand-{study.release}"
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    study.kubectl(
        "create", "--filename", "-", stdin=json.dumps({**kind, "provisioner": "kubernetes.io/no-provisioner"})
    )
    try:
        study.set("  storage: 1Gi", f"  storage: 1Gi\n  storage_class: {name}")
        fails(
            study,
            "volume of the scheduler is not made: no (persistent volumes available|volume plugin matched)",
            "cluster.storage_class",
        )
    finally:
        study.kubectl("delete", "storageclass", name)


class Refusing(BaseHTTPRequestHandler):
    """A registry in which everybody may look and nobody may write."""

    def answer(self, code):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self):
        self.answer(404)

    def do_POST(self):
        self.answer(403)

    def log_message(self, *_):
        pass


def test_a_registry_that_refuses_the_push_is_named(make, lab):
    study = make()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        study.set(lab.registry, f"127.0.0.1:{server.server_port}")
        fails(study, r"registry 127\.0\.0\.1:\d+ did not take the image", r"Log in to it \(\w+ login 127")
    finally:
        server.shutdown()
        server.server_close()
