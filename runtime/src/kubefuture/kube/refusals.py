"""Pods that the API server does not let be made: quotas, limits, Pod Security. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .view import Trouble, View, is_leaving, is_seen, role_of

MAKING_ROOM = "New pods wait for the room of old ones, which finish what they run."
KEYS = {"cpu": "workers.cpus", "memory": "workers.memory", "nvidia.com/gpu": "workers.gpu"}
"""What of values.yaml a resource of the workers is."""

_CHART_KEYS = {"cpu": "scheduler.cpu and scheduler.cpuLimit", "memory": "scheduler.memory"}
_OUT_OF_RANGE = re.compile(
    r"(?:minimum|maximum) (?P<used>\S+) usage per \w+ is|(?P<ratio>\S+) max limit to request ratio per"
)
"""How a LimitRange refuses a pod; there may be several of them in one refusal."""


def refused(view: View) -> Iterator[Trouble]:
    """Pods that the API server does not let be made."""
    for deployment in view.deployments:
        role = role_of(deployment)
        if not is_seen(deployment):
            continue
        for condition in deployment.get("status", {}).get("conditions", ()):
            if condition.get("type") != "ReplicaFailure" or condition.get("status") != "True":
                continue
            message = str(condition.get("message", ""))
            if "exceeded quota" in message and is_leaving(view):
                yield Trouble(MAKING_ROOM)
            elif _OUT_OF_RANGE.search(message):
                yield Trouble(_out_of_range(message, role), final=True)
            elif "failed quota" in message:
                what = _after("failed quota:", message)
                yield Trouble(
                    f"The namespace's quota counts what a {role} does not name: {what}. Ask who runs the cluster for a "
                    "LimitRange with a default for it, or for a namespace whose quota does not count it.",
                    final=True,
                )
            elif "exceeded quota" in message:
                what = _after("exceeded quota:", message)
                yield Trouble(
                    f"The namespace's quota does not allow another {role}: {what}. Lower workers.count, workers.cpus "
                    "or workers.memory in values.yaml, or ask who runs the cluster for more.",
                    final=True,
                )
            elif "violates PodSecurity" in message:
                what = _after("violates PodSecurity", message)
                yield Trouble(
                    f"The cluster's Pod Security does not allow a {role}: {what}. Ask who runs the cluster.",
                    final=True,
                )
            else:
                yield Trouble(
                    f"The cluster does not let a {role} be made: {message.rstrip('.')}.", final=True
                )


def _after(words: str, message: str) -> str:
    """The rest of what the API server says."""
    return message.split(words, 1)[-1].strip().strip(" :").rstrip(".")


def _out_of_range(message: str, role: str) -> str:
    what = message.split(" is forbidden: ", 1)[-1].strip().strip("[]").rstrip(".")
    found = sorted({match["used"] or match["ratio"] for match in _OUT_OF_RANGE.finditer(message)})
    known, file = (
        (KEYS, "values.yaml") if role == "worker" else (_CHART_KEYS, "the project's chart/values.yaml")
    )
    keys = " or ".join(known[one] for one in found if one in known)
    advice = (
        f"Change {keys} in {file}" if keys else "Name another namespace in cluster.namespace of values.yaml"
    )
    return (
        f"The namespace's LimitRange does not allow a {role}: {what}. {advice}, or ask who runs the cluster."
    )
