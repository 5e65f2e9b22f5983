"""The project's own namespace: made once, labelled, and deleted only if it is the very one that was made."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..project.errors import ProjectError
from .commands import KubeError, find, kubectl
from .place import LABEL, Place

MARK = "kubefuture-checkout"
"""The label that says which checkout has made something."""

_RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}


@dataclass(frozen=True)
class Namespace:
    """A namespace that is there.

    Attributes:
        uid: What tells it from any other of that name, before and after it.
        project: The slug of the project that it was made for, empty if it was not made by us.
        mark: Which checkout of it made it.
        ending: It is being deleted.
    """

    uid: str
    project: str
    mark: str
    ending: bool


def look_at(place: Place) -> Namespace | None:
    """The namespace as it is; None if there is none.

    Raises:
        KubeError: It cannot be told.
    """
    found = find(place, "namespace", place.namespace, namespaced=False)
    return None if found is None else seen(found)


def seen(found: Mapping[str, Any]) -> Namespace:
    """A namespace as kubectl shows it."""
    meta, labels = found["metadata"], found["metadata"].get("labels", {})
    ending = found["status"]["phase"] == "Terminating"
    return Namespace(meta["uid"], labels.get(LABEL, ""), labels.get(MARK, ""), ending)


def check(place: Place, uid: str, mark: str) -> Namespace | None:
    """The namespace if it can be used; None if it is to be made.

    Args:
        place: Which one.
        uid: That of the one that was used before; empty for none.
        mark: What this checkout labels those with that it makes; empty if it has made none.

    Raises:
        ProjectError: It is somebody else's, or is being deleted.
    """
    there = look_at(place)
    if there is None:
        return None
    if there.ending:
        raise ProjectError(
            f"The namespace {place.namespace} is being deleted. Wait until it is gone, then try again; "
            f"what it waits for: kubectl --context {place.context} describe namespace {place.namespace}"
        )
    if there.project and there.project != place.slug:
        raise ProjectError(
            f"The namespace {place.namespace} belongs to the project {there.project}. "
            "Choose another one in cluster.namespace of values.yaml."
        )
    if there.project and there.uid != uid and not (mark and there.mark == mark):
        raise ProjectError(
            f"The namespace {place.namespace} was made by another checkout of a project of this name. If it is "
            f"yours, end it first: make down PROJECT={place.slug} PROVIDER={place.provider}. If it is not, choose "
            "another one in cluster.namespace of values.yaml."
        )
    return there


def make(place: Place, mark: str) -> Namespace:
    """Makes it.

    Args:
        place: Which one.
        mark: See `check`.

    Raises:
        KubeError: It cannot be made.
    """
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": place.namespace, "labels": {LABEL: place.slug, MARK: mark, **_RESTRICTED}},
    }
    kubectl(place, "create", "--filename", "-", stdin=json.dumps(manifest), namespaced=False)
    made = look_at(place)
    assert made is not None
    return made


def delete(place: Place, uid: str) -> None:
    """Asks for its deletion, if it is still the very one; returns before it is gone.

    Raises:
        KubeError: It cannot be deleted.
    """
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
    with tempfile.TemporaryDirectory(prefix="kubefuture-") as folder:
        body = Path(folder, "options.json")
        body.write_text(json.dumps(options), encoding="utf-8")
        path = f"/api/v1/namespaces/{place.namespace}"
        try:
            kubectl(place, "delete", "--raw", path, "--filename", str(body), namespaced=False)
        except KubeError as error:
            if not error.is_absent and "Conflict" not in error.said and "uid" not in error.said.lower():
                raise
