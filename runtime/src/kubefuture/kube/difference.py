"""What another install of the chart would change in a release, in words. Only looks.

helm get values,   what the chart is told ──> values that differ ─┬─> a sentence
helm get manifest, helm template ───────────> what starts anew ───┘
helm template ──> kubectl apply --dry-run=server: would the API server take it?
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.connection import DASK
from ..project.changes import Change
from ..project.errors import ProjectError
from . import release
from .commands import KubeError, helm, kubectl
from .place import Place
from .quantities import cpus, quantity, size
from .server_version import server_version

_KEYS = {
    "atStart": "packages.at_start",
    "image.reference": "the image",
    "image.pullSecrets": "cluster.pull_secrets",
    "auth.version": "token and certificate",
    "scheduler.volume.size": "cluster.storage",
    "scheduler.volume.storageClass": "cluster.storage_class",
    "workers.cpu": "workers.cpus",
    "workers.threadsPerSlot": "workers.threads_per_slot",
    "workers.envFrom": "workers.env_from",
    "workers.nodeSelector": "workers.node_selector",
    "workers.tolerations": "workers.spot",
    "workers.sharedMemory": "shared memory",
    "networkPolicy.egress": "cluster.egress",
}
"""What people know a key of the chart's values as; the others have their own name."""

_UNSHOWN = ("env", "token", "auth", "atStart")
"""Parts of keys below which values may be secret: only that they change is said."""

_SMALLER = re.compile(
    r"PersistentVolumeClaim.*(can ?not be less than|only dynamically provisioned)", re.DOTALL
)
_LONGEST = 60
"""Letters of a value that are shown."""

Values = Mapping[str, Any]
Objects = dict[tuple[str, str], Any]


def of_release(chart: Path, place: Place, told: Values, *, in_namespace: bool) -> Iterator[Change]:
    """What an install would change.

    Args:
        chart: The project's chart.
        place: Where.
        told: What the chart would be told.
        in_namespace: The namespace is there, so that the API server can be asked.

    Raises:
        ProjectError: It could not be installed.
    """
    state, description = release.status(place) if in_namespace else ("", "")
    whole = not state or release.is_whole(place)
    if state == "deployed" and description == release.mark_of(chart, told) and whole:
        return
    objects = _rendered(chart, place, told)
    if in_namespace:
        try:
            _ask_server(place, objects)
        except KubeError:
            raise
        except ProjectError as error:
            raise ProjectError(f"`make up` would fail: {error}") from None
    if not state:
        yield Change("the chart", f"would install the chart: {_summary(told)}")
        return
    reasons = changed_values(_values_of(place), told)
    if state != "deployed":
        reasons.append(f"an install was not finished ({state})")
    if not whole:
        reasons.append("a part of it was deleted by hand")
    words = "; ".join(reasons) or "the chart itself has changed"
    effects = [*changed_objects(_installed(place), objects)]
    yield Change("the chart", f"would upgrade the chart: {words}{_after(effects)}")


def refuse(chart: Path, place: Place, told: Values) -> None:
    """Lets the API server try a change of a release before it is made: helm would stop in the middle of it.

    Args:
        chart: The project's chart.
        place: Where.
        told: What the chart is told.

    Raises:
        ProjectError: It would not be taken.
    """
    state, description = release.status(place)
    if not state or description == release.mark_of(chart, told):
        return
    try:
        _ask_server(place, _rendered(chart, place, told))
    except KubeError:
        raise
    except ProjectError as error:
        raise ProjectError(f"{error} What runs is as it was.") from None


def changed_values(there: Values, told: Values) -> list[str]:
    """Which values differ, each as `key old → new`, under the names that values.yaml has for them.

    Args:
        there: What the release was told.
        told: What it would be told.
    """
    old, new = dict(_flat(there)), dict(_flat(told))
    found = []
    for key in sorted({*old, *new}):
        if old.get(key) == new.get(key):
            continue
        name = _KEYS.get(key, key)
        if set(key.split(".")) & set(_UNSHOWN):
            word = "is new" if key not in old else "goes" if key not in new else "changes"
            found.append(f"{name} {word if name == key else 'change'}")
        else:
            found.append(f"{name} {_shown(old.get(key))} → {_shown(new.get(key))}")
    return found


def changed_objects(there: Objects, told: Objects) -> Iterator[str]:
    """What that means for what runs, as clauses.

    Args:
        there: The release's objects, by kind and name.
        told: What they would be.
    """
    for (kind, name), one in told.items():
        if (kind, name) not in there:
            yield f"{kind} {name} is made"
        elif kind == "Deployment" and _template(one) != _template(there[kind, name]):
            if name.endswith("-worker"):
                yield "the workers start anew, the old ones when they have finished what they run"
            else:
                yield f"{name} starts anew"
    for kind, name in there:
        if (kind, name) not in told:
            yield f"{kind} {name} is deleted"


def _after(effects: list[str]) -> str:
    return f". Then {', '.join(effects)}" if effects else ". Nothing starts anew"


def _template(deployment: Any) -> Any:
    return deployment["spec"]["template"]


def _flat(values: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and key not in _KEYS:
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST:]}"


def _summary(told: Values) -> str:
    workers, volume = told["workers"], told["scheduler"]["volume"]["size"]
    count = "1 worker" if workers["count"] == 1 else f"{workers['count']} workers"
    each = f"{cpus(quantity(workers['cpu']))} and {size(quantity(workers['memory']))} of memory"
    scheduler = "Dask's scheduler" if told["engine"] == DASK else f"a scheduler with a volume of {volume}"
    return f"{scheduler}, and {count} with {each}"


def count_of(place: Place) -> int:
    """How many workers the release was told to have; -1 if there is none."""
    if not release.status(place)[0]:
        return -1
    return int(_values_of(place).get("workers", {}).get("count", -1))


def _values_of(place: Place) -> Values:
    found = json.loads(helm(place, "get", "values", place.release, "--output", "json"))
    return found if isinstance(found, dict) else {}


def _installed(place: Place) -> Objects:
    return _objects(helm(place, "get", "manifest", place.release))


def _rendered(chart: Path, place: Place, told: Values) -> Objects:
    # Without being told, Helm takes the Kubernetes of its own time, which may be older than the chart's oldest.
    version = server_version(place).plain
    with release.values_file(told) as file:
        options = ["--values", str(file), "--no-hooks", "--skip-tests", "--kube-version", version]
        return _objects(helm(place, "template", place.release, str(chart), *options))


def _objects(manifest: str) -> Objects:
    import yaml

    found = [one for one in yaml.safe_load_all(manifest) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def _ask_server(place: Place, objects: Objects) -> None:
    """Lets the API server try it without doing it: it knows what must not change, and what the cluster forbids."""
    together = {"apiVersion": "v1", "kind": "List", "items": list(objects.values())}
    options = ["--server-side", "--force-conflicts", "--field-manager=kubefuture-check", "--dry-run=server"]
    try:
        kubectl(place, "apply", *options, "--filename", "-", stdin=json.dumps(together))
    except KubeError as error:
        if error.is_unreachable:
            raise
        raise ProjectError(_refusal(error)) from None


def _refusal(error: KubeError) -> str:
    if _SMALLER.search(error.said):
        return (
            "The volume of the scheduler cannot be made smaller. Write the size of before, or more, into "
            "cluster.storage of values.yaml; or begin with a new one: make down, then make up."
        )
    return str(error)
