"""The scheduler and the Deployment of its workers: it asks how many there are to be, and orders others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kubefuture.core.certificate import make_certificate
from kubefuture.protocol.messages import WorkerStatus
from kubefuture.scheduler import deployment
from kubefuture.scheduler.deployment import Deployment

from tests.faults.waiting import LIMIT, eventually

SCALE = "/apis/apps/v1/namespaces/space/deployments/study-worker/scale"
POD = "/api/v1/namespaces/space/pods/"


class ApiServer(ThreadingHTTPServer):
    """As much of an API server as the scheduler needs; whatever else is asked is refused.

    Attributes:
        replicas: How many pods there are to be.
        marked: Pods that were marked as those to take first.
        gone: Pods that it does not know.
        failures: How many requests it fails to answer next.
    """

    def __init__(self) -> None:
        self.replicas, self.failures = 2, 0
        self.marked: list[str] = []
        self.gone: set[str] = set()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer account-token"
        self.answer(200 if self.path == SCALE else 404)

    def do_PATCH(self) -> None:
        assert self.headers["Authorization"] == "Bearer account-token"
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pod = self.path.removeprefix(POD)
        if self.server.failures:
            self.answer(200)
        elif self.path == SCALE:
            assert list(change) == ["spec"] and list(change["spec"]) == ["replicas"]
            self.server.replicas = change["spec"]["replicas"]
            self.answer(200)
        elif pod != self.path and pod not in self.server.gone:
            assert change == {"metadata": {"annotations": {deployment.DELETION_COST: "-100"}}}
            self.server.marked.append(pod)
            self.answer(200)
        else:
            self.answer(404)

    def answer(self, status: int) -> None:
        if self.server.failures:
            self.server.failures -= 1
            status = 503
        # A number of zero is left out, as Kubernetes does.
        spec = {"replicas": self.server.replicas} if self.server.replicas else {}
        body = {"spec": spec} if status == 200 else {"message": f"answered with {status}"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(deployment, "_PAUSES", (0.01,))
    monkeypatch.setattr(deployment, "_LOOK_SECONDS", LIMIT)
    monkeypatch.setattr(Deployment._request, "__defaults__", (None, LIMIT))
    (tmp_path / "token").write_text("account-token\n")
    (tmp_path / "ca.crt").write_text(make_certificate()[0])
    return tmp_path


def workers(api: ApiServer, account: Path, log: list[str]) -> Deployment:
    return Deployment("space/study-worker", log.append, f"http://127.0.0.1:{api.server_port}", account)


def worker(host: str, busy: int) -> WorkerStatus:
    return WorkerStatus(host, host, 1, slots=1, busy=busy, connected_s=1.0)


@pytest.mark.parametrize("replicas", [0, 5])
def test_a_scheduler_that_starts_is_told_how_many_workers_there_are_to_be(api, account, replicas):
    api.replicas, api.failures = replicas, 1
    assert workers(api, account, []).ordered() == replicas


def test_without_an_answer_it_starts_all_the_same(api, account):
    api.failures, log = 100, []
    assert workers(api, account, log).ordered() is None
    assert "does not say how many workers there are to be: answered with 503" in log[0]


def test_fewer_workers_are_ordered_and_the_idle_ones_go_first(api, account):
    api.gone.add("left")
    there = [worker("busy", 1), worker("left", 0), worker("idle", 0), worker("idle-too", 0)]
    workers(api, account, []).scale(1, there)
    eventually(lambda: api.replicas == 1, "it is ordered")
    assert api.marked == ["idle", "idle-too"]


def test_an_order_is_given_again_until_it_arrives_unless_there_is_a_newer_one(api, account):
    api.failures, log = 3, []
    ordered = workers(api, account, log)
    ordered.scale(7, [])
    eventually(lambda: api.replicas == 7, "it is ordered")
    assert len(log) == 3 and "cannot be changed to 7: answered with 503" in log[0]
