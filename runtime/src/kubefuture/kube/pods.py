"""The pods of a release as people want to see them: which, where, how they are, and what they said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .commands import KubeError, kubectl, kubectl_json
from .place import Place
from .quantities import quantity
from .troubles import failed

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")


@dataclass(frozen=True)
class Pod:
    """One pod.

    Attributes:
        name: Its name.
        component: scheduler or worker.
        node: Where it runs, empty if nowhere yet.
        state: In a word or two.
        restarts: How often its container was started again.
        last: Its last lines before that, or before it ended; empty for none.
        image: What it runs.
        age_from: When it was made, in UTC.
        ready: It does its work.
        cpus: How many it asks for.
        memory: How many bytes it asks for.
        started: The ids of its containers that have been started.
    """

    name: str
    component: str
    node: str
    state: str
    restarts: int
    last: str
    image: str
    age_from: str
    ready: bool = False
    cpus: float = 0.0
    memory: float = 0.0
    started: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """Its name for people, which is unique among the pods of a release."""
        return f"{self.component or 'pod'}-{self.name.rpartition('-')[2]}"


def of(place: Place) -> list[Pod]:
    """All pods of a release, the scheduler first.

    Raises:
        KubeError: The cluster does not say.
    """
    return listed(kubectl_json(place, "get", "pods", "--selector", place.selector)["items"])


def listed(found: Iterable[Any]) -> list[Pod]:
    """Pods as kubectl shows them, the scheduler first."""
    return sorted(map(_pod, found), key=lambda pod: (pod.component != "scheduler", pod.name))


def logs_before(place: Place, pod: str, *, lines: int) -> list[tuple[str, str]]:
    """What a pod's container before this one said: the time and the line of each; none if that is not known.

    Args:
        place: Which release.
        pod: Its name.
        lines: How many of the last ones; negative for all.
    """
    try:
        said = kubectl(place, "logs", pod, "--timestamps", f"--tail={lines}", "--previous")
    except KubeError as error:
        if error.is_unreachable:
            raise
        return []
    pairs = []
    for line in said.splitlines():
        time, _, words = line.partition(" ")
        # Our own programs begin their lines with a time too; once is enough.
        pairs.append((time, _TIME.sub("", words)))
    return pairs


def _pod(found: Any) -> Pod:
    status, meta = found.get("status", {}), found["metadata"]
    containers = status.get("containerStatuses", ())
    ended = [
        one["lastState"]["terminated"] for one in containers if one.get("lastState", {}).get("terminated")
    ]
    asked = [one.get("resources", {}).get("requests", {}) for one in found["spec"]["containers"]]
    last = [line for one in ended for line in str(one.get("message") or one.get("reason") or "").splitlines()]
    return Pod(
        name=meta["name"],
        component=meta.get("labels", {}).get("app.kubernetes.io/component", ""),
        node=found["spec"].get("nodeName", ""),
        state=_state(found),
        restarts=sum(int(one.get("restartCount", 0)) for one in containers),
        last=" / ".join(line.strip() for line in last[-3:]),
        image=found["spec"]["containers"][0]["image"],
        age_from=str(meta.get("creationTimestamp", "")),
        ready=_state(found) == "ready",
        cpus=sum(quantity(one.get("cpu", "0")) for one in asked),
        memory=sum(quantity(one.get("memory", "0")) for one in asked),
        started=tuple(
            one["containerID"]
            for one in (*status.get("initContainerStatuses", ()), *containers)
            if one.get("containerID")
        ),
    )


def _state(found: Any) -> str:
    if "deletionTimestamp" in found["metadata"]:
        return "finishing"
    status = found.get("status", {})
    if any(failed(one) for one in status.get("initContainerStatuses", ())):
        return "packages not installed"
    for one in status.get("containerStatuses", ()):
        waiting = one.get("state", {}).get("waiting")
        if waiting:
            reason = str(waiting.get("reason", "waiting"))
            return "installing packages" if reason == "PodInitializing" else reason
        if one.get("ready"):
            return "ready"
    if status.get("phase") == "Running":
        return "starting"
    return "waits for a node" if not found["spec"].get("nodeName") else str(status.get("phase", "")).lower()
