"""What was put on a cluster, recorded before it is: which cluster, namespace and release, and which images."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core.connection import NATIVE
from ..project import deployed
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.record import LOCAL
from .namespace import Namespace
from .place import Place


@dataclass(frozen=True)
class ClusterRecord:
    """One deployment on a cluster.

    Attributes:
        provider: How the cluster is reached.
        kubeconfig: See `Place`.
        context: See `Place`.
        namespace: See `Place`.
        release: See `Place`.
        slug: See `Place`.
        mark: What a namespace is labelled with that is made, so that it is known even if we are stopped then.
        uid: The namespace's, once it is known.
        made: The namespace was made by `make up`, so `make down` deletes it.
        images: What was pushed, with registry and tag.
        since: When it was first recorded, in UTC.
        own: What the provider notes about a cluster that it makes itself; empty where it makes none.
        engine: Whose scheduler it has.
    """

    provider: str
    kubeconfig: str
    context: str
    namespace: str
    release: str
    slug: str
    mark: str
    uid: str
    made: bool
    images: tuple[str, ...]
    since: str
    own: Mapping[str, Any] = field(default_factory=dict)
    engine: str = NATIVE

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.provider, self.kubeconfig, self.context, self.namespace, self.release, self.slug)

    def is_of(self, there: Namespace) -> bool:
        """Whether a namespace is the one that was made or used."""
        return there.uid == self.uid or (bool(self.mark) and there.mark == self.mark)


def read(project: Project, provider: str) -> ClusterRecord | None:
    """The record of a provider's cluster, or None.

    Raises:
        ProjectError: It is damaged.
    """
    for one in deployed.read_all(project):
        if one.provider == provider:
            return deployed.parsed(project, one, _record)
    return None


def up(project: Project) -> ClusterRecord | None:
    """What the project has on a cluster, whichever provider leads there; None if it is up on this machine, or nowhere.

    Raises:
        ProjectError: The record is damaged.
    """
    for one in deployed.read_all(project):
        if one.provider != LOCAL:
            return read(project, one.provider)
    return None


def refuse_other_engine(earlier: ClusterRecord | None, engine: str) -> None:
    """Refuses to change the engine of what is up: named work lives on the volume of one that keeps it.

    Raises:
        ProjectError: It would be changed.
    """
    if earlier is not None and earlier.engine != engine:
        raise ProjectError(
            f"This project is up with the engine {earlier.engine} (since {earlier.since}), and values.yaml asks for "
            f"{engine}. What one scheduler keeps, such as named maps, the other one cannot read: first `make down`, "
            "then `make up`."
        )


def begin(project: Project, place: Place, engine: str = NATIVE) -> ClusterRecord:
    """Records that something is about to be made there, or returns what is recorded already.

    Args:
        project: The project.
        place: Where.
        engine: Whose scheduler it is to have.

    Raises:
        ProjectError: Something is up elsewhere, or the record cannot be written.
    """
    there = earlier(project, place)
    if there is not None:
        refuse_other_engine(there, engine)
        # The project, and a kubeconfig in it, may have moved since.
        return _changed(project, there, replace(there, kubeconfig=place.kubeconfig))
    record = draft(place, engine)
    _write(project, record)
    return record


def draft(place: Place, engine: str = NATIVE) -> ClusterRecord:
    """What is recorded before anything is made; here it is not written."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return ClusterRecord(
        **asdict(place),
        mark=secrets.token_hex(8),
        uid="",
        made=False,
        images=(),
        since=since,
        engine=engine,
    )


def up_already(project: Project, provider: str, slug: str) -> ClusterRecord | None:
    """What this checkout itself has put there under a project's name; None for nothing.

    Args:
        project: The checkout.
        provider: How the cluster is reached.
        slug: The project's.

    Raises:
        ProjectError: This checkout has something else up there.
    """
    earlier = read(project, provider)
    if earlier is not None and earlier.slug != slug:
        raise ProjectError(f"This checkout has {earlier.slug} up itself: first `make down` alone.")
    return earlier


def earlier(project: Project, place: Place) -> ClusterRecord | None:
    """What is recorded already of a place, or None.

    Raises:
        ProjectError: Something is up elsewhere.
    """
    deployed.refuse_other(project, place.provider)
    there = read(project, place.provider)
    if there is not None and there.place.is_elsewhere(place):
        raise ProjectError(
            f"This project is up already in namespace {there.namespace} of context {there.context} "
            f"(since {there.since}), and values.yaml names another place: first `make down`."
        )
    return there


def found(
    place: Place,
    there: Namespace | None,
    images: Sequence[str],
    own: Mapping[str, Any] | None = None,
    *,
    made: bool = True,
    engine: str = NATIVE,
) -> ClusterRecord:
    """The record of what a project of this name has made, from another checkout; it is not written.

    Args:
        place: Where it is.
        there: The namespace, if the cluster is not the project's own.
        images: What its pods run.
        own: See `ClusterRecord`.
        made: See `ClusterRecord`.
        engine: Whose scheduler it has.
    """
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    mark, uid = (there.mark, there.uid) if there else ("", "")
    return ClusterRecord(
        **asdict(place),
        mark=mark,
        uid=uid,
        made=made,
        images=tuple(images),
        since=since,
        own=own or {},
        engine=engine,
    )


def keep(project: Project, record: ClusterRecord) -> ClusterRecord:
    """Writes a record, unless it is there already."""
    if read(project, record.provider) != record:
        _write(project, record)
    return record


def with_own(project: Project, record: ClusterRecord, own: Mapping[str, Any]) -> ClusterRecord:
    """Changes what the provider notes about its cluster."""
    return _changed(project, record, replace(record, own=dict(own)))


def with_namespace(project: Project, record: ClusterRecord, uid: str, made: bool) -> ClusterRecord:
    """Adds which namespace it is."""
    return _changed(project, record, replace(record, uid=uid, made=made))


def with_image(project: Project, record: ClusterRecord, image: str) -> ClusterRecord:
    """Adds an image that is about to be pushed."""
    images = tuple(dict.fromkeys([*record.images, image]))
    return _changed(project, record, replace(record, images=images))


def _changed(project: Project, old: ClusterRecord, new: ClusterRecord) -> ClusterRecord:
    if new != old:
        _write(project, new)
    return new


def _write(project: Project, record: ClusterRecord) -> None:
    content = asdict(record) | {"images": list(record.images)}
    if not record.own:
        del content["own"]
    deployed.write(project, record.provider, content)


def _record(content: Mapping[str, Any]) -> ClusterRecord:
    if not isinstance(content["images"], list) or not isinstance(content["made"], bool):
        raise TypeError("images or made")
    texts = ("provider", "kubeconfig", "context", "namespace", "release", "slug", "mark", "uid", "since")
    return ClusterRecord(
        **{name: str(content[name]) for name in texts},
        made=content["made"],
        images=tuple(map(str, content["images"])),
        own=dict(content.get("own", {})),
        engine=str(content.get("engine", NATIVE)),
    )
