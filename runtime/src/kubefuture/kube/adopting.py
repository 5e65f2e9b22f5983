"""Finds what another checkout of a project has put on a cluster, so that `make down` can end it from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.connection import NATIVE
from ..project.errors import ProjectError
from ..project.folder import Project
from . import owner, record
from .commands import KubeError, kubectl_json
from .image import repository_of
from .namespace import look_at, seen
from .place import ENGINE_LABEL, LABEL, Place, slug_of
from .record import ClusterRecord


def find(project: Project, name: str, place: Place, *, named: bool) -> ClusterRecord:
    """The record that it should have here; nothing is written.

    Args:
        project: The checkout.
        name: The project's name, or what its namespace is labelled with.
        place: Where the checkout's own would be.
        named: values.yaml names the namespace, so only what is there is meant: others may have one of this name.

    Raises:
        ProjectError: It is not there, or not one alone.
    """
    slug = slug_of(name)
    if (earlier := record.up_already(project, place.provider, slug)) is not None:
        return earlier
    place = replace(place, release=slug, slug=slug)
    made = [one for one in _namespaces(place) if not named or one["metadata"]["name"] == place.namespace]
    if len(made) > 1:
        names = ", ".join(sorted(one["metadata"]["name"] for one in made))
        raise ProjectError(
            f"There are several namespaces of projects {name} in the cluster of context {place.context}: {names}. "
            "Write the one that is meant into cluster.namespace of values.yaml. Nothing was deleted."
        )
    if made:
        place = replace(place, namespace=made[0]["metadata"]["name"])
    programs = _programs(place) if made or named else []
    if not made and not programs:
        raise ProjectError(
            f"There is nothing of a project {name} in "
            + (
                f"namespace {place.namespace}, which cluster.namespace of values.yaml names, in "
                if named
                else f"a namespace that has the label {LABEL}={slug} and that your login sees, in "
            )
            + f"the cluster of context {place.context}. If it is in another namespace, write that into "
            "cluster.namespace of values.yaml. Nothing was deleted."
        )
    images = {
        container["image"] for one in programs for container in one["spec"]["template"]["spec"]["containers"]
    }
    # Without an image of their own pods run one that is not ours to delete.
    own = sorted(name for name in images if f"/{repository_of(slug)}:" in name)
    if made:
        return record.found(place, seen(made[0]), own, engine=engine_of(programs))
    there = record.found(place, look_at(place), own, made=False, engine=engine_of(programs))
    return replace(there, mark=owner.of_release(place))


def _namespaces(place: Place) -> list[Any]:
    """Those that were made for projects of its name, as far as the login sees them."""
    try:
        labelled = ("namespaces", "--selector", f"{LABEL}={place.slug}")
        found = kubectl_json(place, "get", *labelled, namespaced=False)["items"]
    except KubeError as error:
        if not error.is_forbidden:
            raise
        return []
    return list(found)


def _programs(place: Place) -> list[Any]:
    return list(kubectl_json(place, "get", "deployments", "--selector", place.selector)["items"])


def engine_of(programs: Sequence[Any]) -> str:
    """Whose scheduler a release's Deployments are."""
    engines = {one["metadata"].get("labels", {}).get(ENGINE_LABEL, NATIVE) for one in programs}
    return min(engines, default=NATIVE)
