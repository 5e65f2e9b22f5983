"""What a cluster shows of a release, on one calm screen: for people who do not know Kubernetes. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..project.words import duration, table
from .place import Place
from .pods import Pod, listed
from .quantities import cpus, quantity, size
from .troubles import troubles
from .view import View

NODES = 10
"""So many nodes are shown one by one."""

PODS = 5
"""The same for pods that are not as they should be."""

_WORDS = {
    "ContainerCreating": "starting its container",
    "CrashLoopBackOff": "ends again and again",
    "ImagePullBackOff": "cannot pull its image",
    "ErrImagePull": "cannot pull its image",
}


@dataclass(frozen=True)
class Usage:
    """What pods use at the moment.

    Attributes:
        cpus: How many.
        memory: Bytes.
    """

    cpus: float
    memory: float


def usage_of(metrics: Any) -> Usage | None:
    """What the metrics API has measured; None where it has not yet."""
    containers = [one for pod in metrics["items"] for one in pod.get("containers", ())]
    if not containers:
        return None
    used = [one.get("usage", {}) for one in containers]
    return Usage(
        sum(quantity(one.get("cpu")) for one in used), sum(quantity(one.get("memory")) for one in used)
    )


@dataclass(frozen=True)
class Told:
    """What the scheduler says.

    Attributes:
        wanted: How many workers there are to be.
        connected: How many are connected.
        busy: How many on each node run something.
        rows: What else: a word, and what it is about.
    """

    wanted: int
    connected: int
    busy: Mapping[str, int]
    rows: Sequence[tuple[str, str]]


def wanted_workers(view: View) -> int:
    """How many workers there are to be, as the cluster knows it."""
    counts = (int(one["spec"].get("replicas", 1)) for one in view.deployments if _component(one) == "worker")
    return next(counts, 0)


@dataclass(frozen=True)
class Screen:
    """Everything that is shown.

    Attributes:
        project: The project's name.
        place: Where it is.
        view: What the cluster shows.
        usage: What the pods use, if the cluster measures it.
        told: What the scheduler says; None where it does not answer.
        forward: The address of `make forward`, empty while it does not run.
        everything: Each pod is shown.
        now: The time.
    """

    project: str
    place: Place
    view: View
    usage: Usage | None
    told: Told | None
    forward: str
    everything: bool = False
    now: datetime | None = None

    def lines(self) -> Iterator[str]:
        """The screen, line by line."""
        pods = listed(self.view.pods)
        made = [one["metadata"]["creationTimestamp"] for one in self.view.deployments]
        up = f", up for {self._age(min(made))}" if made else ""
        yield f"{self.project} in namespace {self.place.namespace} of cluster {self.place.context}{up}"
        if not pods and not made:
            yield "  Nothing is installed there."
            return
        for word, text in self._rows(pods):
            yield f"  {word:<9}  {text}".rstrip()
        found = troubles(self.view)
        if found:
            yield ""
            yield from (f"  {one.words}" for one in found[:3])
        if self.everything:
            yield ""
            yield from self._every(pods)

    def _rows(self, pods: Sequence[Pod]) -> Iterator[tuple[str, str]]:
        schedulers = [pod for pod in pods if pod.component == "scheduler"]
        yield from (("scheduler", self._scheduler(pod)) for pod in schedulers)
        if not schedulers:
            yield "scheduler", "not there"
        workers = [pod for pod in pods if pod.component == "worker"]
        yield "workers", self._workers(workers)
        yield from (("", f"  {text}") for text in self._nodes(workers))
        yield from (("", f"  {text}") for text in self._odd(workers))
        yield from self.told.rows if self.told else ()
        yield "page", self.forward or "none; `make forward` opens one for browsers"
        for image in sorted({pod.image for pod in pods if pod.state != "finishing"}):
            yield "image", image
        yield "asks for", self._asked(pods)
        if self.usage is None:
            yield "uses", "not known, as the cluster has no metrics"
        else:
            yield "uses", f"{cpus(self.usage.cpus)}, {size(self.usage.memory)} of memory"

    def _scheduler(self, pod: Pod) -> str:
        words = f"{_state(pod)}{f' on {pod.node}' if pod.node else ''}, for {self._age(pod.age_from)}"
        if pod.restarts:
            words += f", restarted {_times(pod.restarts)}"
        return words + (f"; last words before that: {pod.last}" if pod.last else "")

    def _workers(self, workers: Sequence[Pod]) -> str:
        wanted = wanted_workers(self.view)
        if self.told is None:
            words = f"{wanted} wanted, {sum(pod.ready for pod in workers)} ready"
        else:
            busy = sum(self.told.busy.values())
            words = f"{self.told.wanted} wanted, {self.told.connected} connected, {busy} busy"
        restarts = sum(pod.restarts for pod in workers)
        return words + (f", restarted {_times(restarts)}" if restarts else "")

    def _nodes(self, workers: Sequence[Pod]) -> Iterator[str]:
        states: dict[str, Counter[str]] = {}
        for pod in workers:
            states.setdefault(pod.node, Counter())[_state(pod)] += 1
        nodes = sorted(states, key=lambda node: (not node, node))
        shown = nodes if self.everything else nodes[:NODES]
        width = max((len(node or "no node") for node in shown), default=0)
        for node in shown:
            words = [f"{count} {state}" for state, count in states[node].most_common()]
            if self.told and (busy := self.told.busy.get(node)):
                words.append(f"{busy} busy")
            yield f"{node or 'no node':<{width}}  {', '.join(words)}"
        if len(nodes) > len(shown):
            rest: Counter[str] = sum((states[node] for node in nodes[len(shown) :]), Counter())
            words = [f"{count} {state}" for state, count in rest.most_common()]
            yield f"and on {len(nodes) - len(shown)} more nodes {', '.join(words)}"

    def _odd(self, pods: Sequence[Pod]) -> Iterator[str]:
        """Pods that had to be started again, or cannot be, and how they ended."""
        odd = [pod for pod in pods if pod.last or (pod.restarts and not pod.ready)]
        odd.sort(key=lambda pod: (pod.ready, -pod.restarts))
        for pod in odd[:PODS]:
            words = f"{pod.short} on {pod.node or 'no node'}: {_state(pod)}, restarted {_times(pod.restarts)}"
            yield words + (f"; last words before that: {pod.last}" if pod.last else "")
        if len(odd) > PODS:
            yield f"and {len(odd) - PODS} more were restarted; with ARGS=--all they are listed"

    def _asked(self, pods: Sequence[Pod]) -> str:
        there = [pod for pod in pods if pod.node]
        words = f"{cpus(sum(pod.cpus for pod in there))}, {size(sum(pod.memory for pod in there))} of memory"
        volumes = [
            quantity(claim["spec"].get("resources", {}).get("requests", {}).get("storage", 0))
            for claim in self.view.claims
        ]
        return words + (f", {size(sum(volumes))} of disk" if volumes else "")

    def _every(self, pods: Sequence[Pod]) -> list[str]:
        rows = [("pod", "node", "state", "restarts", "age")]
        for pod in pods:
            age = self._age(pod.age_from)
            rows.append((pod.short, pod.node or "-", _state(pod), str(pod.restarts), age))
        return table(rows)

    def _age(self, since: str) -> str:
        if not since:
            return "some time"
        made = datetime.fromisoformat(since.replace("Z", "+00:00"))
        return duration(max(0.0, ((self.now or datetime.now(UTC)) - made).total_seconds()))


def _state(pod: Pod) -> str:
    return _WORDS.get(pod.state, pod.state)


def _component(thing: Mapping[str, Any]) -> str:
    return str(thing["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
