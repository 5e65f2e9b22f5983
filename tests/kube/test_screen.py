"""`make status` on a cluster: one calm screen, whatever there is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from kubefuture.kube.place import Place
from kubefuture.kube.quantities import cpus, quantity, size
from kubefuture.kube.screen import Screen, Told, Usage, usage_of
from kubefuture.kube.view import View

from tests.kube.things import claim, deployment, pod

PLACE = Place("existing", "/config", "lab", "kubefuture-study", "study", "study")
NOW = datetime(2026, 1, 1, 3, 12, tzinfo=UTC)


def shown(*pods, wanted=2, told=None, usage=None, forward="", everything=False, deployments=None):
    if deployments is None:
        deployments = [deployment("scheduler"), deployment("worker", wanted)]
    view = View(list(pods), deployments, [claim()], [])
    return list(Screen("study", PLACE, view, usage, told, forward, everything, NOW).lines())


def row(lines, word):
    return next(line for line in lines if line.split()[:1] == [word])


SCHEDULER = pod("study-scheduler-7d9f-abcde", "scheduler")


def test_a_whole_one_is_twelve_lines_that_fit_a_terminal():
    told = Told(2, 2, {"node-1": 1, "node-2": 0}, [("elements", "5 waiting, 1 running, 40 done")])
    lines = shown(
        SCHEDULER,
        pod("study-worker-5d-aaaaa"),
        pod("study-worker-5d-bbbbb", node="node-2"),
        told=told,
        usage=Usage(0.5, 3 * 2**29),
        forward="http://127.0.0.1:8080/",
    )
    assert lines == [
        "study in namespace kubefuture-study of cluster lab, up for 3 h 12 min",
        "  scheduler  ready on node-1, for 3 h 12 min",
        "  workers    2 wanted, 2 connected, 1 busy",
        "               node-1  1 ready, 1 busy",
        "               node-2  1 ready",
        "  elements   5 waiting, 1 running, 40 done",
        "  page       http://127.0.0.1:8080/",
        "  image      r.example/study:1",
        "  asks for   0.75 CPUs, 768 MiB of memory, 10 GiB of disk",
        "  uses       0.5 CPUs, 1.5 GiB of memory",
    ]


def test_two_hundred_workers_on_forty_nodes_stay_one_screen_unless_all_are_asked_for():
    workers = [pod(f"study-worker-5d-{i:05}", node=f"node-{i % 40:02}") for i in range(198)]
    workers += [
        pod("study-worker-5d-wait1", node=""),
        pod("study-worker-5d-crash", waiting="CrashLoopBackOff"),
    ]
    lines = shown(SCHEDULER, *workers, wanted=200)
    assert len(lines) < 24
    assert row(lines, "workers") == "  workers    200 wanted, 198 ready"
    assert any("and on 32 more nodes" in line for line in lines)
    everything = shown(SCHEDULER, *workers, wanted=200, everything=True)
    assert all(any(f"worker-{i:05} " in line for line in everything) for i in range(198))


def test_pods_that_wait_or_go_are_counted_by_what_they_do():
    lines = shown(
        SCHEDULER,
        pod("study-worker-5d-aaaaa", waiting="ContainerCreating"),
        pod("study-worker-5d-bbbbb", waiting="ImagePullBackOff"),
        pod("study-worker-5d-ccccc", ready=False),
        pod("study-worker-5d-ddddd", going=True),
        pod("study-worker-5d-eeeee", node=""),
    )
    node = row(lines, "node-1")
    for words in ("1 starting its container", "1 cannot pull its image", "1 starting", "1 finishing"):
        assert words in node
    assert row(lines, "no").split() == ["no", "node", "1", "waits", "for", "a", "node"]
    assert any("cannot pull the image" in line for line in lines), (
        "what is wrong is said below, with what to do"
    )


def test_a_worker_that_was_started_again_is_named_with_its_last_words():
    lines = shown(SCHEDULER, pod("study-worker-5d-aaaaa", restarts=1, message="one\ntwo\nMemoryError"))
    [line] = [line for line in lines if "worker-aaaaa" in line]
    assert "restarted once; last words before that: one / two / MemoryError" in line


def test_of_many_that_were_started_again_only_some_are_named():
    lines = shown(SCHEDULER, *(pod(f"study-worker-5d-{i:05}", restarts=2, message="no") for i in range(50)))
    assert sum("last words" in line for line in lines) == 5
    assert any("and 45 more were restarted" in line for line in lines)


def test_a_scheduler_that_is_not_there_is_said():
    lines = shown(pod("study-worker-5d-aaaaa"))
    assert row(lines, "scheduler") == "  scheduler  not there"
    assert row(lines, "workers") == "  workers    2 wanted, 1 ready"


def test_nothing_installed_is_said():
    assert shown(deployments=[])[1:] == ["  Nothing is installed there."]


def test_without_metrics_it_says_that_it_does_not_know():
    assert "not known, as the cluster has no metrics" in row(shown(SCHEDULER), "uses")


def test_what_is_used_is_the_sum_of_all_containers():
    one = {"containers": [{"usage": {"cpu": "1500m", "memory": "1048576Ki"}}]}
    other = {"containers": [{"usage": {"cpu": "250000000n", "memory": "1Gi"}}]}
    assert usage_of({"items": [one, other]}) == Usage(1.75, 2.0 * 2**30)
    assert usage_of({"items": []}) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("250m", 0.25),
        ("0.5", 0.5),
        ("1Gi", 2**30),
        ("1e3", 1000),
        ("100M", 1e8),
        ("7u", 7e-6),
        ("x", 0),
        ("", 0),
    ],
)
def test_amounts_are_read_as_kubernetes_writes_them(text, number):
    assert quantity(text) == pytest.approx(number)


def test_amounts_are_said_as_people_do():
    assert [cpus(one) for one in (1, 0.25, 12, 3.456)] == ["1 CPU", "0.25 CPUs", "12 CPUs", "3.46 CPUs"]
    assert [size(one) for one in (2**20, 1.5 * 2**30, 2**41, 0)] == ["1 MiB", "1.5 GiB", "2 TiB", "0 MiB"]
