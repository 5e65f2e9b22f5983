"""What keeps pods from running, as the cluster tells it: each a sentence with the next step. No I/O.

    pods, deployments, claims, events ──> troubles

A trouble is `final` when waiting cannot help, as far as the cluster knows; others get some seconds to pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..project import uv
from .refusals import KEYS, MAKING_ROOM, refused
from .view import Object, Trouble, View, is_leaving, is_old, role_of

_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_NO_IMAGE = ("InvalidImageName", "ErrImageNeverPull")
_NO_PULL = re.compile(
    r"not found|denied|unauthorized|forbidden|no basic auth|manifest unknown|invalid|does not exist|no match|x509"
    r"|response to HTTPS|no such host",
    re.IGNORECASE,
)
"""What no other try changes; a registry that is slow, or away for a moment, is asked again by the node."""

INSTALL = "install"
"""The container that installs packages in a pod without an image, before its program starts."""

STARTING_NODE = "The cluster is starting another node."
AWAITING_VOLUME = "The scheduler waits for its volume."
PASSING = (STARTING_NODE, AWAITING_VOLUME, MAKING_ROOM)
"""What is waited for however long it takes."""

_RESOURCES = re.compile(r"Insufficient ([A-Za-z0-9./-]*[A-Za-z0-9])")
_PREEMPTION = re.compile(r"\. (?:no new claims|preemption:)")
"""Where the scheduler of Kubernetes goes on about what else it has tried."""

_NO_SECRET = re.compile(r'secrets? "([^"]*)" not found')


def troubles(view: View) -> list[Trouble]:
    """All that is wrong, the clearest first, each once."""
    found = [*refused(view), *_unbound(view)]
    for pod in view.pods:
        if "deletionTimestamp" not in pod["metadata"] and not is_old(pod, view):
            found += _of_pod(pod, view)
    return sorted(dict.fromkeys(found), key=lambda trouble: not trouble.final)


def _of_pod(pod: Object, view: View) -> Iterator[Trouble]:
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition.get("reason") == "Unschedulable":
            yield _unschedulable(str(condition.get("message", "")), pod, view)
    yield from _unprepared(pod, view)
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get(
            "terminated"
        )
        if container.get("name") == INSTALL and (end := failed(container)):
            yield Trouble(_not_installed(pod, end), final=True)
        elif reason in _PULL:
            final = reason in _NO_IMAGE or bool(_NO_PULL.search(message))
            yield Trouble(_cannot_pull(container, reason, message), final=final)
        elif reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            yield Trouble(_not_started(pod, message), final=True)
        elif ended and (reason == "CrashLoopBackOff" or _is_down(container)):
            yield Trouble(_crashes(pod, ended), final=True)


def _unprepared(pod: Object, view: View) -> Iterator[Trouble]:
    """What keeps a node from beginning with a pod; much else that it says of that passes when a new node is ready."""
    if any(
        "waiting" not in one.get("state", {}) for one in pod.get("status", {}).get("containerStatuses", ())
    ):
        return
    for event in view.events:
        if event.get("involvedObject", {}).get("name") != pod["metadata"]["name"]:
            continue
        reason, message = event.get("reason"), str(event.get("message", ""))
        if reason == "FailedCreatePodSandBox" and "OOM-killed" in message:
            yield Trouble(f"A {role_of(pod)} has too little memory even to begin. Raise {_memory_of(pod)}.")
        elif reason == "FailedMount" and "not found" in message:
            yield Trouble(
                f"A {role_of(pod)} cannot be started: {_innermost(message)}. Have it made anew: make up"
            )


def _is_down(container: Object) -> bool:
    """Whether one that was started again more than once has ended just now; one that runs may have had a bad night."""
    return container.get("restartCount", 0) > 1 and "terminated" in container.get("state", {})


def _not_started(pod: Object, message: str) -> str:
    missing = _NO_SECRET.search(message)
    if not missing or role_of(pod) != "worker":
        return f"A {role_of(pod)} cannot be started: {message.rstrip('.')}."
    namespace = pod["metadata"].get("namespace", "")
    return (
        f"A worker cannot be started: workers.env_from in values.yaml names the secret {missing[1]}, and there is none "
        f"in the namespace {namespace}. Make it there (kubectl create secret generic), or take the name out, and run "
        "`make up` again."
    )


def failed(container: Object) -> Object | None:
    """How a container ended that is not being tried again just now; None if it did not, or well."""
    state = container.get("state", {})
    ended = state.get("terminated") or (
        container.get("lastState", {}).get("terminated") if "waiting" in state else None
    )
    return ended if ended and ended.get("exitCode") else None


def _not_installed(pod: Object, ended: Object) -> str:
    if ended.get("reason") == "OOMKilled":
        return f"Installing the packages needs more memory than a {role_of(pod)} may have. Raise {_memory_of(pod)}."
    why = uv.reason(str(ended.get("message") or "")).rstrip(".")[:600]
    return (
        f"The packages cannot be installed in a {role_of(pod)}: {why}. See that pods reach the package index; "
        "the whole text: make logs."
    )


def _cannot_pull(container: Object, reason: str, message: str) -> str:
    image = str(container.get("image", ""))
    if reason == "ErrImageNeverPull":
        return f"A node does not have the image {image}, which `make up` loads onto it. Run `make up` again."
    why = _innermost(message)
    return (
        f"The cluster cannot pull the image {image}: {why}. See that its nodes reach the registry of "
        "cluster.registry in values.yaml, or of cluster.base_image with packages.at_start, and, if it is private, name "
        "a secret that opens it in cluster.pull_secrets. `make up` pushes one again that is gone from the registry."
    )


def _memory_of(pod: Object) -> str:
    return "workers.memory in values.yaml" if role_of(pod) == "worker" else "the chart's scheduler.memory"


def _crashes(pod: Object, ended: Object) -> str:
    if ended.get("reason") == "OOMKilled":
        return f"A {role_of(pod)} needs more memory than it may have, and is killed. Raise {_memory_of(pod)}."
    if "exec format error" in str(ended.get("message")):
        return (
            f"The image of a {role_of(pod)} is for another kind of processor than its node has. Write the node's into "
            "cluster.platform of values.yaml."
        )
    last = [line.strip() for line in str(ended.get("message") or "").splitlines() if line.strip()][-3:]
    words = f"A {role_of(pod)} ends again and again (exit code {ended.get('exitCode')})"
    return (
        f"{words}. Its last lines: {' / '.join(last)}" if last else f"{words}, without a word. See: make logs"
    )


def _unschedulable(message: str, pod: Object, view: View) -> Trouble:
    message = _PREEMPTION.split(message)[0].rstrip(". ")
    name = pod["metadata"]["name"]
    growing = any(
        event.get("reason") == "TriggeredScaleUp" and event.get("involvedObject", {}).get("name") == name
        for event in view.events
    )
    if growing:
        return Trouble(STARTING_NODE)
    if "unbound immediate PersistentVolumeClaims" in message:
        return Trouble(AWAITING_VOLUME)
    if is_leaving(view):
        return Trouble(MAKING_ROOM)
    lacking = sorted(set(_RESOURCES.findall(message)))
    role = role_of(pod)
    if lacking:
        keys = [KEYS[one] for one in lacking if one in KEYS and role == "worker"]
        advice = f"Lower {' or '.join([*keys, 'workers.count'])} in values.yaml, or use a larger cluster."
        return Trouble(f"No node has room for a {role}: not enough {' and '.join(lacking)}. {advice}")
    if "node affinity/selector" in message:
        return Trouble(
            "No node has the labels that workers.node_selector in values.yaml asks for, or the kind of processor that "
            f"the image is for, cluster.platform ({message})."
        )
    return Trouble(f"No node takes a {role}: {message.rstrip('.')}.")


def _unbound(view: View) -> Iterator[Trouble]:
    """Volumes that do not come."""
    for claim in view.claims:
        if claim.get("status", {}).get("phase") != "Pending":
            continue
        name = claim["metadata"]["name"]
        told = [
            event
            for event in view.events
            if event.get("involvedObject", {}).get("kind") == "PersistentVolumeClaim"
            and event.get("involvedObject", {}).get("name") == name
        ]
        for event in told:
            message = str(event.get("message", "")).rstrip(".")
            if event.get("reason") in ("FailedBinding", "ProvisioningFailed"):
                yield Trouble(
                    f"The volume of the scheduler is not made: {message}. Choose another one in "
                    "cluster.storage_class of values.yaml; `kubectl get storageclass` lists them.",
                    final=event.get("reason") == "FailedBinding" or "not found" in message,
                )
                break


def _innermost(message: str) -> str:
    """The end of a chain of reasons, where the reason is."""
    words = message.strip().rstrip(".") or "no reason is given"
    for telling in ("not found", "unauthorized", "denied", "no such host", "connection refused", "timeout"):
        position = words.lower().rfind(telling)
        if position >= 0:
            start = max(words.rfind(": ", 0, position), words.rfind("desc = ", 0, position))
            return words[start:].removeprefix(": ").removeprefix("desc = ")[:300]
    return words[:300]
