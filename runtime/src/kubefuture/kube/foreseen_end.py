"""What `make down` would delete of a deployment on a cluster that is not ours. Only looks."""

from __future__ import annotations

from collections.abc import Iterator

from ..project.changes import Change
from ..project.folder import Project
from . import ending, namespace, owner, registry, release
from .commands import kubectl_json
from .engine import holders
from .place import Place
from .record import ClusterRecord


def changes(project: Project, recorded: ClusterRecord) -> Iterator[Change | str]:
    """What ending it would delete.

    Args:
        project: The project.
        recorded: What was put where.

    Raises:
        ProjectError: It cannot be told.
    """
    place = recorded.place
    there = namespace.look_at(place)
    if there is not None and not recorded.is_of(there):
        yield f"The namespace {place.namespace} is another one than was made, and would be left alone."
    elif there is not None and owner.is_others(recorded):
        yield f"The release {place.release} was made by another checkout, and would be left alone."
    elif there is not None:
        yield from _inside(place)
        if recorded.made or there.mark == recorded.mark:
            yield Change(
                "the namespace", f"would delete the namespace {place.namespace}, with all that is in it"
            )
    if ending.leads_there(project, place):
        yield Change("the connection file", "would remove .kubefuture/connection.json")
    for name in recorded.images:
        for engine in holders(name):
            words = f"would delete the image {name} from {engine} on this machine"
            yield Change("the image here", words)
        if not registry.digest_of(name):
            continue
        if registry.keeps(name):
            yield f"The image {name} would stay: its registry deletes none on request."
        else:
            yield Change("the image", f"would delete the image {name} from its registry")


def _inside(place: Place) -> Iterator[Change]:
    pods = kubectl_json(place, "get", "pods", "--selector", place.selector)["items"]
    if pods:
        names = ", ".join(sorted(one["metadata"]["name"] for one in pods))
        yield Change("the pods", f"would keep the logs of these pods, then end them: {names}")
    if release.status(place)[0]:
        yield Change("the release", f"would delete the release {place.release}")
    claims = kubectl_json(place, "get", "persistentvolumeclaims", "--selector", place.selector)["items"]
    for one in claims:
        size = one["spec"]["resources"]["requests"]["storage"]
        words = f"would delete the scheduler's volume of {size}, with the results of named maps"
        yield Change("the volume", words)
