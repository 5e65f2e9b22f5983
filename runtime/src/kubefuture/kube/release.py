"""Helm's release of the chart: installed, upgraded when something changed, and deleted. Helm 3 and 4 alike.

Helm does not wait: `rollout` does, and says what it waits for.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.progress import Step
from ..project.values import Values
from .api_server import api_server
from .commands import KubeError, helm, kubectl
from .place import Place
from .secret import Secret

_SPOT = (
    {"key": "cloud.google.com/gke-spot", "operator": "Exists"},
    {"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot"},
    {"key": "eks.amazonaws.com/capacityType", "operator": "Equal", "value": "SPOT"},
)
"""The taints of nodes that can be taken away, as GKE and AKS set them and EKS's guide advises."""


def chart_values(
    project: Project,
    wanted: Values,
    place: Place,
    image: str,
    secret: Secret,
    *,
    architecture: str = "",
    at_start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the chart is told.

    Args:
        project: The project.
        wanted: Its values.
        place: Where it is installed.
        image: The workers' image.
        secret: What opens the scheduler.
        architecture: The kind of nodes that the image runs on; empty for all.
        at_start: From what pods install their packages themselves; None if the image holds them.

    Raises:
        KubeError: The cluster does not answer.
    """
    workers, cluster = wanted.data["workers"], wanted.data["cluster"]
    fitting = {"kubernetes.io/arch": architecture} if architecture else {}
    return {
        "project": project.name,
        "engine": wanted.engine,
        "image": {
            "reference": image,
            "pullPolicy": "IfNotPresent" if at_start else place.pull_policy,
            "pullSecrets": list(cluster["pull_secrets"]),
        },
        "auth": {"secret": place.secret, "version": secret.version},
        "scheduler": {
            "volume": {"size": cluster["storage"], "storageClass": cluster["storage_class"]},
            "nodeSelector": fitting,
        },
        "workers": {
            "count": wanted.count,
            "cpu": f"{round(float(workers['cpus']) * 1000)}m",
            "memory": f"{wanted.memory >> 20}Mi",
            "threadsPerSlot": wanted.threads,
            "env": wanted.env,
            "envFrom": list(workers["env_from"]),
            "nodeSelector": {**fitting, **workers["node_selector"]},
            "tolerations": [{**one, "effect": "NoSchedule"} for one in _SPOT] if workers["spot"] else [],
            "gpu": int(workers["gpu"]),
            "sharedMemory": f"{max(64, wanted.memory >> 22)}Mi",
        },
        "networkPolicy": {"egress": list(cluster["egress"]), "apiServer": api_server(place)},
        "atStart": dict(at_start or {}),
    }


def install(project: Project, place: Place, values: Mapping[str, Any], step: Step) -> bool:
    """Makes the release what the values say.

    Args:
        project: The project, with its chart.
        place: Where.
        values: What the chart is told.
        step: What is shown meanwhile.

    Returns:
        Whether something changed.

    Raises:
        ProjectError: It cannot be installed.
    """
    chart = chart_of(project)
    mark = mark_of(chart, values)
    state, description = status(place)
    if state == "deployed" and description == mark and is_whole(place):
        return False
    _mend(place, state)
    with values_file(values) as told:
        options = ["--install", "--values", str(told), "--description", mark, "--history-max", "5"]
        if _major() >= 4:
            # As Helm 3 does it, and so that either can go on with what the other has installed. By the server's way the
            # scheduler, who changes the number of workers, would own that, and every `helm rollback` would be refused.
            options.append("--server-side=false")
        helm(place, "upgrade", place.release, str(chart), *options, step=step)
    return True


def chart_of(project: Project) -> Path:
    """The project's chart.

    Raises:
        ProjectError: It is missing.
    """
    chart = project.folder / "chart"
    if not (chart / "Chart.yaml").is_file():
        raise ProjectError(
            f"{chart} is missing. It came with the project: get it back with `git checkout -- chart`."
        )
    return chart


@contextmanager
def values_file(values: Mapping[str, Any]) -> Iterator[Path]:
    """The values as a file for helm.

    workers.env may hold a password, so the file is private, and nothing of it is in a process list.
    """
    with tempfile.TemporaryDirectory(prefix="kubefuture-") as folder:
        told = Path(folder, "values.json")
        handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(values, sort_keys=True))
        yield told


def uninstall(place: Place) -> None:
    """Deletes the release; none is fine.

    Raises:
        KubeError: It cannot be deleted.
    """
    try:
        helm(place, "uninstall", place.release)
    except KubeError as error:
        if not error.is_absent:
            raise


def status(place: Place) -> tuple[str, str]:
    """The release's state and description; two empty strings if there is none."""
    try:
        found = json.loads(helm(place, "status", place.release, "--output", "json"))
    except KubeError as error:
        if error.is_absent:
            return "", ""
        raise
    info = found.get("info", {})
    return str(info.get("status", "")), str(info.get("description", ""))


def _mend(place: Place, status: str) -> None:
    """Forgets what a helm that was killed has left half done, at which every later one would refuse to go on.

    Only Helm's note of it goes: what was made is there still, bears the release's name, and is taken on.
    """
    if status == "uninstalling":
        raise ProjectError(f"The release {place.release} is half deleted. First: make down")
    if status.startswith("pending"):
        selector = f"owner=helm,name={place.release},status={status}"
        kubectl(place, "delete", "secrets", "--selector", selector, "--ignore-not-found")


def is_whole(place: Place) -> bool:
    """Whether nobody has deleted a part by hand."""
    manifest = helm(place, "get", "manifest", place.release)
    try:
        kubectl(place, "get", "--filename", "-", "--output", "name", stdin=manifest)
    except KubeError as error:
        if error.is_absent:
            return False
        raise
    return True


def _major() -> int:
    try:
        return int(helm_version().split(".", 1)[0])
    except ValueError:
        return 3


def helm_version() -> str:
    """Helm's version, such as 3.17.0.

    Raises:
        ProjectError: It cannot be run.
    """
    from .commands import version_of

    return version_of("helm", "version", "--template", "{{.Version}}")


def mark_of(chart: Path, values: Mapping[str, Any]) -> str:
    """What a release is described with, another text for another chart or other values."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in sorted(chart.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(chart)}\0".encode() + path.read_bytes())
    return f"kubefuture {digest.hexdigest()[:16]}"
