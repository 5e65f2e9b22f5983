"""Whose a release is, and on which cluster: names alone do not tell, where several people use a namespace or a name."""

from __future__ import annotations

from dataclasses import replace

from ..project.errors import ProjectError
from . import namespace
from .commands import KubeError, find
from .namespace import MARK
from .place import Place, kubeconfig
from .record import ClusterRecord


def of_release(place: Place) -> str:
    """The mark of the checkout that has made a release; empty if there is none.

    Raises:
        KubeError: It cannot be told.
    """
    found = find(place, "secret", place.secret)
    return "" if found is None else str(found["metadata"].get("labels", {}).get(MARK, ""))


def is_others(record: ClusterRecord) -> bool:
    """Whether the release of a record's name was made by another checkout.

    Raises:
        KubeError: It cannot be told.
    """
    return of_release(record.place) not in ("", record.mark)


def refuse_others(place: Place, mark: str) -> None:
    """Refuses to change what another checkout has made.

    Args:
        place: Where this one's release is to be.
        mark: What this checkout marks its own with; empty if it has made nothing.

    Raises:
        ProjectError: A release of that name is there, and is not ours.
    """
    if of_release(place) not in ("", mark):
        raise ProjectError(
            f"In the namespace {place.namespace} there is a release {place.release} already, made by another checkout "
            f"of a project of this name. If it is yours, end it first: make down PROJECT={place.slug} "
            f"PROVIDER={place.provider}. If it is not, give this project's folder another name, since the release is "
            "called after it, or choose another namespace in cluster.namespace of values.yaml."
        )


def refuse_other_cluster(before: ClusterRecord | None, place: Place) -> None:
    """Refuses to begin on another cluster whose context has the same name: what is up on the first would be forgotten.

    Args:
        before: What is recorded.
        place: Where values.yaml and KUBECONFIG lead now.

    Raises:
        ProjectError: It is another cluster, as far as can be told.
    """
    if before is None or before.own or not before.uid or before.kubeconfig == place.kubeconfig:
        return
    there = namespace.look_at(place)
    if there is not None and before.is_of(there):
        return  # the file has moved
    try:
        first = namespace.look_at(before.place)
    except KubeError:
        pass
    else:
        if first is None or not before.is_of(first):
            return  # nothing is there any more
    raise ProjectError(
        f"This project is up already on the cluster that {before.kubeconfig} calls {before.context} (since "
        f"{before.since}), and the context of that name in {place.kubeconfig} leads to another cluster. First "
        "`make down`, which uses the file of before. If that cluster is gone for good, remove "
        f".kubefuture/deployed/{before.provider}.yaml."
    )


def reachable(record: ClusterRecord) -> ClusterRecord:
    """The record with a kubeconfig that leads there: the one of today, if that of before has lost its context.

    Args:
        record: What was put where.
    """
    today = replace(record, kubeconfig=kubeconfig())
    if today == record:
        return record
    try:
        namespace.look_at(record.place)
    except KubeError as error:
        if not error.is_unknown_context:
            return record
        try:
            there = namespace.look_at(today.place)
        except KubeError:
            return record
        return today if there is not None and record.is_of(there) else record
    return record
