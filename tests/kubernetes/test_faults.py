"""What dies on a cluster, and what that costs: time, never results. Every timer has its default here."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests import needs
from tests.kubernetes.lab import Running, Study
from tests.project import kit

AWAY_SECONDS = 60.0

SLOW = """
import kubefuture as kf, pathlib, time, random, numpy as np
def draw(i):
    return i, float(np.random.normal()), random.random()
def slow(i):
    while i >= 5 and not pathlib.Path("/tmp/go-{name}").exists():
        time.sleep(0.05)
    time.sleep(0.1)
    return draw(i)
done = []
for one in kf.imap(slow, range(60), seed=3, chunk_size=1):
    done.append(one)
    if len(done) == 5: print("going", flush=True)
with kf.plan("sequential"):
    expected = kf.map(draw, range(60), seed=3)
assert done == expected
print("identical", flush=True)
"""
"""After the first ones its elements wait, as `held` has them."""

NAMED = """
import kubefuture as kf, pathlib, time
def slow(i):
    while not pathlib.Path("/tmp/go-{name}").exists():
        time.sleep(0.05)
    return i * i
print("going", flush=True)
assert kf.map(slow, range(60), name="{name}", chunk_size=1) == [i * i for i in range(60)]
print("complete", flush=True)
"""
"""Its elements wait for `let_go`."""


def touch(worker, name):
    return "exec", worker, "--container", "worker", "--", "touch", f"/tmp/go-{name}"


def let_go(study, name):
    for worker in study.names("worker"):
        study.kubectl(*touch(worker, name))


@dataclass(frozen=True)
class Held(Running):
    """A script of SLOW, whose elements wait until its rest is asked for."""

    study: Study
    name: str

    def rest(self):
        """Lets them go on, in pods that come and, as these end what they are at, in pods that are about to go."""
        asked = {}
        with ThreadPoolExecutor(8) as pool:
            while self.process.poll() is None:
                for worker in (pod["metadata"]["name"] for pod in self.study.all_pods("worker")):
                    # One that has not begun yet is asked again; one of a lost node does not answer for long.
                    if worker not in asked or (asked[worker].done() and asked[worker].exception()):
                        asked[worker] = pool.submit(self.study.kubectl, *touch(worker, self.name))
                time.sleep(0.5)
        return super().rest()


@contextmanager
def held(study):
    """Runs SLOW up to its first results: however long something is done to it, the script does not end meanwhile."""
    name = secrets.token_hex(4)
    with study.running(SLOW.format(name=name)) as running:
        running.until("going")
        yield Held(running.process, study, name)


KILL_SUPERVISOR = """
for one in /proc/[0-9]*; do
    grep -qa 'kubefuture.worker.--[c]onnection' $one/cmdline && kill -9 ${one#/proc/}
done
"""


def delete(study, pods, *how):
    study.kubectl("delete", "pod", *pods, "--wait=false", *how)


@pytest.mark.parametrize("how", [(), ("--grace-period=0", "--force")], ids=["told", "killed"])
def test_a_deleted_worker_pod_costs_no_results(study, how):
    with held(study) as running:
        delete(study, study.names("worker")[:1], *how)
        assert "identical" in running.rest()
    study.wait(lambda: len(study.ready("worker")) == 2, "another worker is there")


def test_a_deleted_scheduler_pod_costs_no_named_results(study):
    with study.running(NAMED.format(name="scheduler-gone")) as running:
        running.until("going")
        study.wait(
            lambda: re.search(r"\b[1-9]\d* running", study.kubefuture("status", status=None).stdout),
            "it runs",
        )
        delete(study, study.names("scheduler"), "--grace-period=0", "--force")
        let_go(study, "scheduler-gone")
        assert "complete" in running.rest()


def test_a_deleted_scheduler_pod_costs_no_results_of_a_program_that_lives(study):
    with held(study) as running:
        delete(study, study.names("scheduler"))
        assert "identical" in running.rest()


def test_all_pods_deleted_at_once_cost_no_results(study):
    with held(study) as running:
        delete(study, [*study.names("scheduler"), *study.names("worker")], "--grace-period=0", "--force")
        assert "identical" in running.rest()


def test_an_element_that_takes_too_much_memory_is_named_and_the_others_go_on(study):
    """It takes more than the 90 % at which it is ended, and never all, at which the kernel would be faster."""
    said = study.run(
        """
import kubefuture as kf, time
from kubefuture.core.cgroups import memory_groups
def greedy(i):
    taken = []
    while i == 3:
        if len(taken) < 240 and not any(group.over(0.93) for group in memory_groups()):
            taken.append(b"x" * (1 << 20))
        else:
            time.sleep(0.01)
    return i
found = kf.options(on_error="return", chunk_size=1).map(greedy, range(6))
print("others", [one for one in found if isinstance(one, int)])
print("this one", type(found[3]).__name__, found[3])
assert kf.map(abs, range(4)) == [0, 1, 2, 3]
print("goes on")
"""
    )
    assert "others [0, 1, 2, 4, 5]" in said
    assert re.search("this one .*memory", said), said
    assert "goes on" in said


def test_a_killed_container_costs_no_results(study):
    """Its pod stays; the container that is started again tells what the one before had finished (R20)."""
    worker = study.names("worker")[0]

    def container():
        (status,) = study.get("pod", worker)["status"]["containerStatuses"]
        return status

    before = container()["restartCount"]
    with held(study) as running:
        study.kubectl("exec", worker, "--", "sh", "-c", KILL_SUPERVISOR, check=False)
        assert "identical" in running.rest()

    study.wait(
        lambda: container()["restartCount"] > before and container()["ready"], "its container is there again"
    )


def test_a_cut_forward_costs_only_time(study):
    with held(study) as running:
        running.cut_forward()
        assert "identical" in running.rest()


def test_a_drained_node_costs_no_results(study):
    node = study.pods("worker")[0]["spec"]["nodeName"]
    try:
        with held(study) as running:
            selector = f"app.kubernetes.io/instance={study.release}"
            options = ("--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector", selector)
            there = {
                pod["metadata"]["name"] for pod in study.pods("worker") if pod["spec"]["nodeName"] == node
            }
            with ThreadPoolExecutor(1) as pool:
                drained = pool.submit(study.kubectl, "drain", node, *options)
                study.wait(lambda: not there & set(study.names("worker")), "the workers there are told to go")
                assert "identical" in running.rest()
                drained.result()
        study.wait(
            lambda: (
                {pod["spec"].get("nodeName") for pod in study.pods("worker")} - {node, None}
                and len(study.ready("worker")) == 2
            ),
            "the workers are elsewhere",
        )
    finally:
        study.kubectl("uncordon", node)


@pytest.mark.parametrize("component", ["worker", "scheduler"])
def test_a_node_that_is_lost_without_warning_costs_no_results(study, component):
    stop, start = os.environ.get("KUBE_TEST_STOP_NODE"), os.environ.get("KUBE_TEST_START_NODE")
    if not stop or not start:
        needs.missing(
            "commands to lose a node and bring it back, KUBE_TEST_STOP_NODE and KUBE_TEST_START_NODE"
        )
    scheduler = study.pods("scheduler")[0]["spec"]["nodeName"]
    nodes = {one["metadata"]["name"] for one in study.get("nodes")["items"]}
    lost = scheduler if component == "scheduler" else (nodes - {scheduler}).pop()

    def renewed():
        lease = study.kubectl("get", "lease", lost, "--namespace", "kube-node-lease", "--output", "json")
        return json.loads(lease)["spec"]["renewTime"]

    try:
        with held(study) as running:
            subprocess.run([*stop.split(), lost], check=True, capture_output=True, timeout=600)
            assert "identical" in running.rest()
    finally:
        subprocess.run([*start.split(), lost], check=True, capture_output=True, timeout=600)
    started = renewed()

    def is_ready():
        conditions = study.get("node", lost)["status"]["conditions"]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    # Until the control plane has noticed, what it says is from before.
    study.wait(lambda: renewed() > started and is_ready(), f"{lost} is back")


def test_an_api_server_that_is_away_for_a_minute_costs_only_time(study):
    stop, start = os.environ.get("KUBE_TEST_STOP_API"), os.environ.get("KUBE_TEST_START_API")
    if not stop or not start:
        needs.missing(
            "commands to stop the API server and start it, KUBE_TEST_STOP_API and KUBE_TEST_START_API"
        )
    with held(study) as running:
        subprocess.run(stop, shell=True, check=True)
        try:
            # Everything that leads there is cut, too, since a server that only stands still breaks no connection.
            running.cut_forward()
            done = study.kubefuture("status", status=1)
            assert "cannot be reached" in kit.one_sentence(done)
            threading.Event().wait(AWAY_SECONDS)
        finally:
            subprocess.run(start, shell=True, check=True)
        assert "identical" in running.rest()
