"""Waits until the pods of a release run, says what it waits for, and stops when the cluster knows that they cannot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..project.errors import ProjectError
from ..project.progress import Step
from .commands import KubeError, kubectl, kubectl_json
from .place import Place
from .troubles import INSTALL, PASSING, troubles
from .view import Object, Trouble, View

TROUBLE_SECONDS = 10.0
"""How long something that may pass, such as a node without room, is waited for."""

FINAL_SECONDS = 1.5
"""How long what does not pass has to be seen: a change may have mended it, and the cluster be about to notice."""

READY_SECONDS = 900.0
"""How long altogether if the playbooks say nothing: a cluster may start nodes, and each has to pull the image."""

UNREACHABLE_SECONDS = 60.0
"""How long the API server may be away meanwhile."""


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        scheduler: The scheduler is ready.
        ready: Workers that are ready, of the new kind.
        wanted: Workers that are wanted.
        leaving: Pods that are still going.
        detail: What is shown.
    """

    scheduler: bool
    ready: int
    wanted: int
    leaving: int
    detail: str

    @property
    def done(self) -> bool:
        """Everything runs."""
        return self.scheduler and self.ready >= self.wanted


def look(place: Place) -> View:
    """What the cluster shows of the release.

    Raises:
        KubeError: It does not.
    """
    chosen = kubectl_json(
        place, "get", "pods,deployments,replicasets,persistentvolumeclaims", "--selector", place.selector
    )
    events = kubectl_json(place, "get", "events")["items"]
    kinds: dict[str, list[Any]] = {"Pod": [], "Deployment": [], "ReplicaSet": [], "PersistentVolumeClaim": []}
    for one in chosen["items"]:
        kinds[one["kind"]].append(one)
    # Names of another release may begin as those of this one.
    named = re.compile(rf"{re.escape(place.release)}-(worker|scheduler)\b")
    ours = [event for event in events if named.match(event.get("involvedObject", {}).get("name", ""))]
    return View(kinds["Pod"], kinds["Deployment"], kinds["PersistentVolumeClaim"], ours, kinds["ReplicaSet"])


def wait(
    place: Place,
    step: Step,
    *,
    count: int | None = None,
    seconds: float = READY_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Progress:
    """Returns when scheduler and workers are ready.

    Args:
        place: Which release.
        step: Where to show what is waited for.
        count: How many workers there are to be, if the scheduler has yet to tell the cluster.
        seconds: How long at most.
        clock: Seconds.
        pause: Sleeps.

    Raises:
        ProjectError: They cannot be, as far as the cluster knows.
    """
    began = answered = clock()
    since: dict[str, float] = {}
    while True:
        now = clock()
        try:
            view = look(place)
            answered = now
        except KubeError as error:
            if not error.is_unreachable or now - answered > UNREACHABLE_SECONDS:
                raise
            step.tick("the API server does not answer")
            pause(1.0)
            continue
        progress = progress_of(view, installing(place, view))
        told = count is None or progress.wanted == count
        step.tick(progress.detail if told else f"the scheduler asks the cluster for {count} workers")
        if told and progress.done:
            return progress
        found = troubles(view)
        since = {_kind(trouble): since.get(_kind(trouble), now) for trouble in found}
        _stop_if_hopeless(found, since, now)
        if now - began > seconds:
            why = found[0].words if found else f"Still waiting: {progress.detail}. See: make logs"
            raise ProjectError(f"The workers are not ready after {seconds:.0f} s. {why}")
        pause(0.5)


def _kind(trouble: Trouble) -> str:
    """What stays the same while a node says the reason in turns with that it waits before it tries again."""
    return trouble.words.partition(": ")[0]


def _stop_if_hopeless(found: Sequence[Trouble], since: dict[str, float], now: float) -> None:
    for trouble in found:
        if trouble.words in PASSING:
            continue
        patience = FINAL_SECONDS if trouble.final else TROUBLE_SECONDS
        if now - since[_kind(trouble)] >= patience:
            raise ProjectError(f"{trouble.words} What runs stays; `make down` ends it.")


def installing(place: Place, view: View) -> dict[str, str]:
    """How far pods without an image are with their packages: the latest line of one of each kind that is at it.

    Args:
        place: Which release.
        view: What the cluster shows of it.
    """
    lines: dict[str, str] = {}
    for pod in view.pods:
        component = _component(pod)
        at_it = any(
            one["name"] == INSTALL and "running" in one.get("state", {})
            for one in pod.get("status", {}).get("initContainerStatuses", ())
        )
        if not at_it or component in lines or "deletionTimestamp" in pod["metadata"]:
            continue
        try:
            said = kubectl(place, "logs", pod["metadata"]["name"], "--container", INSTALL, "--tail=1")
        except KubeError:
            continue  # it is done, or gone
        lines[component] = said.strip()[:100] or "installing packages"
    return lines


def progress_of(view: View, installs: Mapping[str, str] | None = None) -> Progress:
    """How far a release is.

    Args:
        view: What the cluster shows of it.
        installs: See `installing`.
    """
    installs = installs or {}
    scheduler, ready, wanted = False, 0, 0
    for deployment in view.deployments:
        status, count = deployment.get("status", {}), int(deployment["spec"].get("replicas", 1))
        seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        if _component(deployment) == "scheduler":
            scheduler = seen and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == 1
        else:
            wanted = count
            # Old pods that are still ready do not count.
            old = max(0, status.get("replicas", 0) - status.get("updatedReplicas", 0))
            ready = max(0, status.get("readyReplicas", 0) - old) if seen else 0
    leaving = sum("deletionTimestamp" in pod["metadata"] for pod in view.pods)
    parts = [] if scheduler else [f"scheduler {installs.get('scheduler') or _phase(view, 'scheduler')}"]
    if ready < wanted or not view.deployments:
        phase = installs.get("worker") or _phase(view, "worker")
        parts.append(f"{ready} of {wanted} workers ready ({phase})")
    if leaving:
        parts.append(f"{leaving} old ones still finishing")
    return Progress(
        scheduler and bool(view.deployments), ready, wanted, leaving, ", ".join(parts) or "all are ready"
    )


def _phase(view: View, component: str) -> str:
    """What most of the pods that are not ready are doing."""
    words: dict[str, int] = {}
    for pod in view.pods:
        if _component(pod) != component or "deletionTimestamp" in pod["metadata"]:
            continue
        status = pod.get("status", {})
        if any(one.get("ready") for one in status.get("containerStatuses", ())):
            continue
        word = _doing(status)
        words[word] = words.get(word, 0) + 1
    return max(words, key=lambda word: words[word], default="about to be made")


def _doing(status: Object) -> str:
    for one in status.get("containerStatuses", ()):
        waiting = one.get("state", {}).get("waiting")
        if waiting:
            reason = str(waiting.get("reason", ""))
            beginning = ("ContainerCreating", "PodInitializing")
            return "starting its container" if reason in beginning else reason
        if "running" in one.get("state", {}):
            return "starting"
    return "waiting for a node"


def _component(thing: Object) -> str:
    return str(thing["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))
