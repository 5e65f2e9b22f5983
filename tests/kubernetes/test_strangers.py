"""Who may reach what: only a release's own pods reach its scheduler, nobody reaches a worker, and a token counts."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.kubernetes.lab import await_account

REACH = """
def reach(place, seconds=0):
    import socket, time
    host, port = place.rsplit(":", 1)
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, int(port)), 4).close()
            return "REACHED"
        except OSError as error:
            if time.monotonic() >= end:
                return f"closed: {error}"
        time.sleep(0.1)
"""
"""A place that has to be reached gets as many seconds as a busy machine may need for that."""

TRY = (
    REACH
    + """
import sys
for place in sys.argv[1:]:
    print(reach(place.removeprefix("+"), 300 if place.startswith("+") else 0), place)
"""
)
"""Tries places; those that have to be reached have a + before them."""


def manifest_of(study, name, code, *arguments, labels=None):
    """A pod of the workers' image that runs Python."""
    container = {
        "name": "try",
        "image": study.pods("worker")[0]["spec"]["containers"][0]["image"],
        "command": ["python", "-c", code, *arguments],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"who": "stranger"}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def run_pod(study, name, code, *arguments, labels=None, namespace=None):
    """Runs it; returns what it printed."""
    manifest = manifest_of(study, name, code, *arguments, labels=labels)
    where = ["--namespace", namespace or study.namespace]
    study.kubectl("apply", "--filename", "-", *where, stdin=json.dumps(manifest))
    try:
        study.wait(
            lambda: (
                json.loads(study.kubectl("get", "pod", name, "-o", "json", *where))["status"]["phase"]
                in ("Succeeded", "Failed")
            ),
            f"pod {name} has ended",
        )
        return study.kubectl("logs", name, *where)
    finally:
        study.kubectl("delete", "pod", name, "--grace-period=0", "--force", *where)


def places(study):
    scheduler = study.pods("scheduler")[0]["status"]["podIP"]
    workers = [pod["status"]["podIP"] for pod in study.pods("worker")]
    service = f"{study.release}-scheduler.{study.namespace}.svc:7000"
    return [f"{scheduler}:7000", service, *(f"{ip}:7000" for ip in workers)]


def test_a_strangers_pod_in_the_same_namespace_reaches_nothing(study):
    said = run_pod(study, "stranger", TRY, *places(study))
    assert "closed" in said and "REACHED" not in said, said


def test_a_strangers_pod_in_another_namespace_reaches_nothing(study):
    other = f"{study.namespace}-other"
    study.kubectl("create", "namespace", other)
    try:
        await_account(study.context, other)
        labels = dict(study.pods("worker")[0]["metadata"]["labels"])
        # Even one that calls itself a worker.
        said = run_pod(study, "stranger", TRY, *places(study), labels=labels, namespace=other)
        assert "closed" in said and "REACHED" not in said, said
    finally:
        study.kubectl("delete", "namespace", other, "--wait=false")


LISTEN = """
import socket, sys, threading
ends = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
def serve(end):
    while True: end.accept()[0].close()
for end in ends: threading.Thread(target=serve, args=[end]).start()
print("listening", flush=True)
"""


@pytest.fixture
def elsewhere(study):
    """A pod in another namespace that listens at ports, an API server's too: its address."""
    other = f"{study.namespace}-{secrets.token_hex(3)}"
    study.kubectl("create", "namespace", other)
    try:
        await_account(study.context, other)
        manifest = manifest_of(study, "listener", LISTEN, "6443", "7001", "7002")
        study.kubectl("apply", "--filename", "-", "--namespace", other, stdin=json.dumps(manifest))
        told = ["logs", "listener", "--namespace", other]
        study.wait(lambda: "listening" in study.kubectl(*told, check=False), "it listens")
        address = ["get", "pod", "listener", "--namespace", other, "--output", "jsonpath={.status.podIP}"]
        yield study.wait(lambda: study.kubectl(*address), "its address is known")
    finally:
        study.kubectl("delete", "namespace", other, "--wait=false")


def test_workers_reach_the_scheduler_and_what_the_values_allow_and_only_that(study, elsewhere):
    """The API server's port is tried elsewhere: to a node's own addresses not every network applies policies."""
    script = f"""
import kubefuture as kf
{REACH}
places = ["{study.release}-scheduler:7000"] + [f"{elsewhere}:{{port}}" for port in (7001, 7002, 6443)]
print([one.split(":")[0] for one in kf.map(reach, places, [300, 0, 0, 0])])
"""
    assert "['REACHED', 'closed', 'closed', 'closed']" in study.run(script)
    workers, allowed = study.names("worker"), f"  egress: [{{cidr: {elsewhere}/32, ports: [7001]}}]\n"
    study.set("  storage: 1Gi\n", f"  storage: 1Gi\n{allowed}")
    try:
        study.kubefuture("up")
        allowing = "['REACHED', 'REACHED', 'closed', 'closed']"
        study.wait(lambda: allowing in study.run(script), "it is open, and nothing else")
        assert study.names("worker") == workers
    finally:
        study.set(allowed, "")


def test_the_scheduler_reaches_the_api_server_and_nobody_else(study, elsewhere):
    worker = study.pods("worker")[0]["status"]["podIP"]
    places = ["+kubernetes.default.svc:443", f"{elsewhere}:6443", f"{worker}:7000"]
    said = study.kubectl("exec", study.names("scheduler")[0], "--", "python", "-c", TRY, *places)
    assert [line.split()[0] for line in said.splitlines()] == ["REACHED", "closed:", "closed:"]


PROTOCOL = """
import sys, time
from pathlib import Path
from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection
from kubefuture.errors import LoginError
certificate = Path("/tmp/tls.crt")
connection = Connection(project="x", provider="kubernetes", address="tcp:" + sys.argv[1], token=sys.argv[2],
                        certificate=sys.argv[3], kubeconfig="", context="")
end = time.monotonic() + 300
while time.monotonic() < end:  # the network lets a new pod in a little later than it begins
    try:
        print("IN", fetch_status(connection))
    except LoginError as error:
        print("refused", type(error).__name__, error)
    except OSError as error:
        print("no answer", type(error).__name__, error)
        time.sleep(2)
        continue
    break
"""


@pytest.mark.parametrize("token", ["wrong", "right"])
def test_a_pod_that_speaks_the_protocol_needs_the_token(study, token):
    """It has the labels that the network lets in, and the certificate, which is no secret."""
    import base64

    secret = study.get("secret", f"{study.release}-auth")
    certificate = base64.b64decode(secret["data"]["tls.crt"]).decode()
    given = study.token() if token == "right" else "00" * 32
    labels = {
        "kubefuture/peer": "true",
        "app.kubernetes.io/name": "kubefuture",
        "app.kubernetes.io/instance": study.release,
    }
    place = f"{study.release}-scheduler:7000"
    said = run_pod(study, f"speaker-{token}", PROTOCOL, place, given, certificate, labels=labels)
    assert ("IN" in said) == (token == "right"), said
    if token == "wrong":
        assert "refused" in said
        logs = study.kubefuture("logs", "-n", "5000").stdout
        assert given not in logs
