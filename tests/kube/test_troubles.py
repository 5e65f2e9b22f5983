"""What a cluster shows becomes one sentence with the next step, from objects as a real API server shows them."""

from __future__ import annotations

import re

import pytest
from kubefuture.kube import rollout
from kubefuture.kube.troubles import troubles
from kubefuture.kube.view import Trouble, View
from kubefuture.project.errors import ProjectError
from kubefuture.project.progress import Step


def pod(component="worker", *, name="study-worker-1", **status):
    return {
        "metadata": {
            "name": name,
            "namespace": "ann",
            "labels": {"app.kubernetes.io/component": component},
        },
        "status": status,
    }


def container(state=None, last=None, restarts=0, image="registry.example.org/ann/study:1"):
    return {"state": state or {}, "lastState": last or {}, "restartCount": restarts, "image": image}


def deployment(component="worker", wanted=2, **status):
    return {
        "metadata": {"labels": {"app.kubernetes.io/component": component}, "generation": 1},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 1, **status},
    }


def event(kind, name, reason, message=""):
    return {"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def ended(code, message="", reason="Error"):
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def unschedulable(message, component="worker"):
    return pod(component, conditions=[{"reason": "Unschedulable", "message": message}])


def refused(message, component="worker"):
    return deployment(
        component, conditions=[{"type": "ReplicaFailure", "status": "True", "message": message}]
    )


PULL = (
    'failed to pull and unpack image "registry.example.org/ann/study:1": failed to resolve reference '
    '"registry.example.org/ann/study:1": {end}'
)
CASES = {
    "an image that is not there": (
        View(
            [
                pod(
                    containerStatuses=[
                        container(
                            waiting(
                                "ErrImagePull", PULL.format(end="registry.example.org/ann/study:1: not found")
                            )
                        )
                    ]
                )
            ],
            [],
            [],
            [],
        ),
        r"cannot pull the image registry\.example\.org/ann/study:1: .*not found.*cluster\.pull_secrets",
        True,
    ),
    "a registry that wants a login": (
        View(
            [
                pod(
                    containerStatuses=[
                        container(waiting("ImagePullBackOff", PULL.format(end="401 Unauthorized")))
                    ]
                )
            ],
            [],
            [],
            [],
        ),
        r"cannot pull .*401 Unauthorized",
        True,
    ),
    "a secret that is not there": (
        View(
            [
                pod(
                    containerStatuses=[
                        container(waiting("CreateContainerConfigError", 'secret "database-login" not found'))
                    ]
                )
            ],
            [],
            [],
            [],
        ),
        r"workers\.env_from in values\.yaml names the secret database-login, and there is none in the namespace ann\. "
        r"Make it there \(kubectl create secret generic\), or take the name out",
        True,
    ),
    "a container that cannot be made": (
        View(
            [
                pod(
                    containerStatuses=[
                        container(
                            waiting(
                                "CreateContainerConfigError",
                                "container has runAsNonRoot and image will run as root",
                            )
                        )
                    ]
                )
            ],
            [],
            [],
            [],
        ),
        r"A worker cannot be started: container has runAsNonRoot and image will run as root\.$",
        True,
    ),
    "no room": (
        View(
            [unschedulable("0/2 nodes are available: 2 Insufficient cpu, 1 Insufficient memory.")], [], [], []
        ),
        r"not enough cpu and memory\. Lower workers\.cpus or workers\.memory or workers\.count",
        False,
    ),
    "no node with that label": (
        View(
            [
                unschedulable(
                    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to "
                    "deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
                )
            ],
            [],
            [],
            [],
        ),
        r"workers\.node_selector .*\(0/2 nodes are available: 2 node\(s\) didn't match Pod's node affinity/selector\)",
        False,
    ),
    "a taint": (
        View(
            [unschedulable("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}.")],
            [],
            [],
            [],
        ),
        r"No node takes a worker: .*untolerated taint",
        False,
    ),
    "a quota": (
        View(
            [],
            [
                refused(
                    'pods "study-worker-1" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2'
                )
            ],
            [],
            [],
        ),
        r"quota does not allow another worker: few, requested: pods=1.*workers\.count",
        True,
    ),
    "a quota that counts what is not named": (
        View(
            [],
            [
                refused(
                    'pods "study-worker-5d9c-x7k2p" is forbidden: failed quota: compute: must specify '
                    "limits.ephemeral-storage for: worker; requests.ephemeral-storage for: worker"
                )
            ],
            [],
            [],
        ),
        r"quota counts what a worker does not name: compute: must specify limits\.ephemeral-storage for: worker; "
        r"requests.*\. Ask who runs the cluster for a LimitRange",
        True,
    ),
    "a LimitRange whose maximum is less": (
        View(
            [],
            [
                refused(
                    'pods "study-scheduler-7f6b-b4g9s" is forbidden: maximum cpu usage per Container is 1, but limit '
                    "is 2",
                    "scheduler",
                )
            ],
            [],
            [],
        ),
        r"LimitRange does not allow a scheduler: maximum cpu usage per Container is 1, but limit is 2\. Change "
        r"scheduler\.cpu and scheduler\.cpuLimit in the project's chart/values\.yaml, or ask who runs",
        True,
    ),
    "a LimitRange whose minima are more": (
        View(
            [],
            [
                refused(
                    'pods "study-worker-5d9c-x7k2p" is forbidden: [minimum memory usage per Container is 4Gi, but '
                    "request is 2Gi, minimum cpu usage per Pod is 2, but request is 1]"
                )
            ],
            [],
            [],
        ),
        r"LimitRange does not allow a worker: minimum memory usage per Container is 4Gi, .* but request is 1\. Change "
        r"workers\.cpus or workers\.memory in values\.yaml",
        True,
    ),
    "a LimitRange whose ratio is smaller": (
        View(
            [],
            [
                refused(
                    'pods "study-scheduler-7f6b-b4g9s" is forbidden: cpu max limit to request ratio per Container is '
                    "4, but provided ratio is 8.000000",
                    "scheduler",
                )
            ],
            [],
            [],
        ),
        r"provided ratio is 8\.000000\. Change scheduler\.cpu and scheduler\.cpuLimit",
        True,
    ),
    "a LimitRange of something else": (
        View(
            [],
            [
                refused(
                    'pods "study-worker-5d9c-x7k2p" is forbidden: maximum ephemeral-storage usage per Container is '
                    "1Gi.  No limit is specified"
                )
            ],
            [],
            [],
        ),
        r"No limit is specified\. Name another namespace in cluster\.namespace of values\.yaml, or ask who runs",
        True,
    ),
    "Pod Security": (
        View(
            [],
            [
                refused(
                    'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
                    "scheduler",
                )
            ],
            [],
            [],
        ),
        r"Pod Security does not allow a scheduler: .*runAsNonRoot",
        True,
    ),
    "a crash loop": (
        View(
            [
                pod(
                    containerStatuses=[
                        container(
                            waiting("CrashLoopBackOff"), ended(1, "one\ntwo\ncannot start: no token\n"), 3
                        )
                    ]
                )
            ],
            [],
            [],
            [],
        ),
        r"ends again and again \(exit code 1\)\. Its last lines: one / two / cannot start: no token",
        True,
    ),
    "too little memory": (
        View(
            [pod(containerStatuses=[container(waiting("CrashLoopBackOff"), ended(137, "", "OOMKilled"), 3)])],
            [],
            [],
            [],
        ),
        r"needs more memory.*workers\.memory",
        True,
    ),
    "too little memory to begin": (
        View(
            [pod(containerStatuses=[container(waiting("ContainerCreating"))])],
            [],
            [],
            [
                event(
                    "Pod",
                    "study-worker-1",
                    "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create containerd "
                    "task: failed to create shim task: OCI runtime create failed: runc create failed: unable to "
                    "start container process: container init was OOM-killed (memory limit too low?): unknown",
                )
            ],
        ),
        r"A worker has too little memory even to begin\. Raise workers\.memory",
        False,
    ),
    "a secret that is gone": (
        View(
            [pod(containerStatuses=[container(waiting("ContainerCreating"))])],
            [],
            [],
            [
                event(
                    "Pod",
                    "study-worker-1",
                    "FailedMount",
                    'MountVolume.SetUp failed for volume "auth" : secret "study-auth" not found',
                )
            ],
        ),
        r'A worker cannot be started: secret "study-auth" not found\..*make up',
        False,
    ),
    "a volume that nobody makes": (
        View(
            [],
            [],
            [{"metadata": {"name": "study-scheduler"}, "status": {"phase": "Pending"}}],
            [
                event(
                    "PersistentVolumeClaim",
                    "study-scheduler",
                    "ProvisioningFailed",
                    'storageclass.storage.k8s.io "fast" not found',
                )
            ],
        ),
        r'volume of the scheduler is not made: .*"fast" not found.*cluster\.storage_class',
        True,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_trouble_is_a_sentence_with_the_next_step(name):
    view, words, final = CASES[name]
    (found,) = troubles(view)
    assert re.search(words, found.words), found.words
    assert found.final == final


def test_a_pod_that_runs_is_no_trouble_however_often_it_was_started_again():
    """As after two restarts of a machine, or two elements that took too much memory in a month."""
    well = container({"running": {}}, ended(255), 7)
    assert troubles(View([pod(containerStatuses=[well])], [], [], [])) == []
    down = container(ended(1, "no token"), ended(1), 2)
    assert "again and again" in troubles(View([pod(containerStatuses=[down])], [], [], []))[0].words


def of_revision(thing, revision, template):
    thing["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = revision
    thing["metadata"].setdefault("labels", {})["pod-template-hash"] = template
    return thing


def test_what_was_wrong_with_pods_that_are_being_replaced_is_no_trouble():
    broken = container(waiting("ImagePullBackOff", "not found"))
    sets = [of_revision(pod(), "1", "old"), of_revision(pod(), "2", "new")]
    wanted = of_revision(deployment(), "2", "")
    for template, count in (("old", 0), ("new", 1)):
        one = pod(containerStatuses=[broken])
        one["metadata"]["labels"]["pod-template-hash"] = template
        assert len(troubles(View([one], [wanted], [], [], sets))) == count
    # Its controller has yet to see what was changed.
    wanted["metadata"]["generation"] = 2
    assert troubles(View([one], [wanted], [], [], sets)) == []
    late = refused('pods "study-worker-1" is forbidden: exceeded quota: few')
    late["metadata"]["generation"] = 2
    assert troubles(View([], [late], [], [])) == []


@pytest.mark.parametrize(
    ("reason", "message", "final"),
    [
        ("ImagePullBackOff", "not found", True),
        ("ErrImagePull", "pull access denied", True),
        ("InvalidImageName", "", True),
        ("ErrImagePull", "dial tcp 10.0.0.1:5000: i/o timeout", False),
        ("ImagePullBackOff", "unexpected status: 503 Service Unavailable", False),
    ],
)
def test_a_registry_that_is_away_for_a_moment_is_asked_again_before_it_is_a_trouble(reason, message, final):
    (found,) = troubles(View([pod(containerStatuses=[container(waiting(reason, message))])], [], [], []))
    assert found.final == final


def test_a_pod_that_is_about_to_go_is_no_trouble():
    going = pod(containerStatuses=[container(waiting("ErrImagePull"))])
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert troubles(View([going], [], [], [])) == []


def test_many_pods_with_the_same_trouble_are_one_trouble():
    lacking = "0/2 nodes are available: 2 Insufficient cpu."
    assert len(troubles(View([unschedulable(lacking) for _ in range(50)], [], [], []))) == 1


def test_a_cluster_that_grows_is_waited_for():
    lacking = unschedulable("0/2 nodes are available: 2 Insufficient cpu.")
    growing = event("Pod", "study-worker-1", "TriggeredScaleUp")
    assert troubles(View([lacking], [], [], [growing])) == [Trouble("The cluster is starting another node.")]


def ready(component, count=1):
    return deployment(component, count, updatedReplicas=count, readyReplicas=count, replicas=count)


def wait_through(monkeypatch, *views, count=None):
    """Lets `wait` see these, a second apart, the last one for ever; returns what it returns."""
    shown, now = list(views), [0.0]
    monkeypatch.setattr(rollout, "look", lambda place: shown.pop(0) if len(shown) > 1 else shown[0])

    def pause(seconds):
        now[0] += max(seconds, 1.0)

    with Step("") as step:
        return rollout.wait(None, step, count=count, clock=lambda: now[0], pause=pause), now[0]


def test_a_number_that_the_scheduler_has_yet_to_tell_is_waited_for(monkeypatch):
    before = View([], [ready("scheduler"), ready("worker", 2)], [], [])
    after = View([], [ready("scheduler"), ready("worker", 3)], [], [])
    progress, seconds = wait_through(monkeypatch, before, before, after, count=3)
    assert (progress.ready, seconds) == (3, 2.0)


def test_what_cannot_help_ends_the_wait_at_once_and_what_may_pass_after_some_seconds(monkeypatch):
    view, _, _ = CASES["an image that is not there"]
    with pytest.raises(ProjectError, match="cannot pull"):
        wait_through(monkeypatch, view)
    good = View([], [ready("scheduler"), ready("worker", 2)], [], [])
    progress, seconds = wait_through(monkeypatch, view, good)
    assert progress.done and seconds == 1.0, "it was about to be mended"
    view, _, _ = CASES["no room"]
    with pytest.raises(ProjectError, match="No node has room"):
        wait_through(monkeypatch, view)
    progress, seconds = wait_through(monkeypatch, view, view, view, good)
    assert progress.done and seconds == 3.0


def test_a_registry_that_stays_away_is_named_though_the_node_says_in_turns_that_it_waits(monkeypatch):
    wanted = [ready("scheduler"), deployment()]
    away, waits = (
        View([pod(containerStatuses=[container(waiting(reason, message))])], wanted, [], [])
        for reason, message in [
            ("ErrImagePull", "dial tcp 10.0.0.1:5000: connect: connection refused"),
            ("ImagePullBackOff", 'Back-off pulling image "registry.example.org/ann/study:1"'),
        ]
    )
    with pytest.raises(ProjectError, match="cannot pull"):
        wait_through(
            monkeypatch, *[away, waits] * 6, View([], [ready("scheduler"), ready("worker", 2)], [], [])
        )
    progress, seconds = wait_through(
        monkeypatch, *[away, waits] * 3, View([], [ready("scheduler"), ready("worker", 2)], [], [])
    )
    assert progress.done and seconds == 6.0, "it came back"
