"""What each step of `make up` on a cluster would change, as things are now. Only looks.

A step that depends on one before it says what can be known: an image has no name before its lock is compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core.connection import NATIVE
from ..project.changes import Change
from ..project.folder import Project
from ..project.foreseen import is_pending
from ..project.values import Values
from . import difference, image, namespace, owner, record, release, scaling, secret, source
from .commands import find
from .place import Place, Presence
from .providers import provider_of
from .secret import Secret

_UNKNOWN = Secret(token="", certificate="", key="", version="that is made")
_UNBUILT = "the one that is built"
_UNPACKED: dict[str, Any] = {
    "configMap": "the-one-that-is-made",
    "archive": "-",
    "python": image.PYTHON,
    "secret": "-",
    "egress": [],
}


def create(project: Project, wanted: Values) -> Iterator[Change | str]:
    """What `cluster create` would change."""
    provider = provider_of(wanted.provider)
    place = provider.place(project, wanted)
    recorded = record.earlier(project, place)
    if recorded is not None:
        record.refuse_other_engine(recorded, wanted.engine)
        owner.refuse_other_cluster(recorded, place)
    yield from provider.would_make(project, wanted, recorded)
    uid, mark = (recorded.uid, recorded.mark) if recorded else ("", "")
    presence = provider.presence(project, recorded)
    if presence == "silent":
        yield "What is in the cluster can be told when it runs."
        return
    there = namespace.check(place, uid, mark) if presence == "up" else None
    if there is not None:
        owner.refuse_others(place, mark)
    if recorded is None:
        where = f".kubefuture/deployed/{place.provider}.yaml"
        yield Change("the record", f"would record in {where} what is made, from which `make down` works")
        if there is not None:
            yield f"would use the namespace {place.namespace}, which is there, and leave it there in the end"
    if there is None:
        yield Change(
            "the namespace", f"would make the namespace {place.namespace}, with Pod Security `restricted`"
        )


def build(project: Project, wanted: Values) -> Iterator[Change | str]:
    """What `cluster image` would change."""
    if wanted.at_start:
        return
    provider = provider_of(wanted.provider)
    place = provider.place(project, wanted)
    recorded = record.read(project, place.provider)
    name = "" if is_pending(project, wanted) else image.recipe(project, wanted, place).name
    if words := provider.would_deliver(project, recorded, name):
        yield Change("the image", words)
    elif recorded is None or name not in recorded.images:
        yield f"would use the image {name}, which is there already, and leave it there in the end"


def install(project: Project, wanted: Values) -> Iterator[Change]:
    """What `cluster install` would change."""
    place, presence = _place(project, wanted)
    if presence == "silent":
        return
    there = presence == "up" and namespace.look_at(place) is not None
    key = secret.read(place) if there else None
    if key is None:
        yield Change("token and certificate", "would make token and certificate")
    pending = is_pending(project, wanted)
    runs, architecture, at_start = _UNBUILT, "", None
    if wanted.at_start:
        runs = image.base_of(wanted)
        at_start = _UNPACKED if pending else source.told(project, place, wanted.env)
        if pending or not (there and source.is_there(place, at_start["configMap"])):
            words = "would put lock and runtime into the namespace, from which pods install their packages"
            yield Change("the packages", words)
    elif pending:
        architecture = image.architecture_of(wanted, place)
    else:
        made_of = image.recipe(project, wanted, place)
        runs, architecture = made_of.name, made_of.architecture
    told = release.chart_values(
        project, wanted, place, runs, key or _UNKNOWN, architecture=architecture, at_start=at_start
    )
    yield from difference.of_release(release.chart_of(project), place, told, in_namespace=there)
    workers = find(place, "deployment", place.workers) if there and wanted.engine == NATIVE else None
    if workers is not None and scaling.without_room(workers, wanted.count) is not None:
        words = "would take back workers that `make scale` has asked for, and for which there is no room"
        yield Change("the number of workers", words)
    if key is None or not secret.is_saved(project, place, wanted.engine, key):
        yield Change(
            "the connection file", "would write .kubefuture/connection.json, by which scripts find them"
        )


def connect(project: Project, wanted: Values) -> Iterator[Change]:
    """What `cluster connect` would change: the number of workers, if `make scale` has set another one."""
    place, presence = _place(project, wanted)
    workers = find(place, "deployment", place.workers) if presence == "up" else None
    if workers is None or difference.count_of(place) != wanted.count:
        return  # installing sets it
    count = int(workers["spec"].get("replicas", 1))
    if count != wanted.count:
        words = f"would set the number of workers, which `make scale` has set: {count} → {wanted.count}"
        yield Change("the number of workers", words)


def _place(project: Project, wanted: Values) -> tuple[Place, Presence]:
    """Where it is to be, and whether what is there can be asked."""
    provider = provider_of(wanted.provider)
    place = provider.place(project, wanted)
    return place, provider.presence(project, record.read(project, place.provider))
