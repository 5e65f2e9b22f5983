"""What the steps of `make up` and `make down` would change of the project's cluster. Only looks."""

from __future__ import annotations

from collections.abc import Iterator

from ...project.changes import Change
from ...project.folder import Project
from ...project.values import Values
from ..ending import leads_there
from ..place import Place, Presence
from ..record import ClusterRecord, draft
from . import containers
from .cluster import is_strange, refuse_other_shape, refuse_strange
from .ending import volumes_left
from .images import lacking
from .names import cluster_name, kubeconfig_file
from .own import Own


def make(
    project: Project, wanted: Values, place: Place, record: ClusterRecord | None
) -> Iterator[Change | str]:
    """See `Provider.would_make`.

    Raises:
        ProjectError: It could not be made.
    """
    own = Own.of(record) if record else Own()
    engine, cluster = own.engine or containers.working()[0], cluster_name(place.slug)
    there = containers.nodes_of(engine, cluster)
    count = int(wanted.data["kind"]["nodes"])
    nodes = "one node" if count == 1 else f"{count} nodes"
    if there:
        refuse_strange(engine, cluster, there, record or draft(place))
    if there and not own.whole:
        yield Change("the cluster", f"would make the cluster {cluster} anew, which was only half made")
    elif there:
        if record:
            refuse_other_shape(wanted, record)
        if stopped := [node.name for node in there if not node.runs]:
            words = f"would start the cluster {cluster}, of which these do not run: {', '.join(stopped)}"
            yield Change("the cluster", words)
        if not kubeconfig_file(project).is_file():
            yield Change("the kubeconfig", "would write the cluster's kubeconfig")
    else:
        yield Change("the cluster", f"would make the cluster {cluster} of {nodes}, with {engine}")


def presence(project: Project, record: ClusterRecord | None) -> Presence:
    """See `Provider.presence`."""
    own = Own.of(record) if record else Own()
    if record is None or not own.whole:
        return "absent"
    there = containers.nodes_of(own.engine, cluster_name(record.slug))
    if not there or is_strange(own.engine, there, record):
        return "absent"
    return "up" if all(node.runs for node in there) and kubeconfig_file(project).is_file() else "silent"


def deliver(project: Project, record: ClusterRecord | None, image: str) -> str:
    """See `Provider.would_deliver`."""
    own = Own.of(record) if record else Own()
    engine = own.engine or containers.working()[0]
    there = presence(project, record)
    is_built = image in containers.images(engine)
    if image and record and there == "up":
        if not lacking(engine, containers.nodes_of(engine, cluster_name(record.slug)), image):
            return ""
    elif is_built and there == "silent":
        return ""  # what its nodes have can be told when they run
    build = "" if is_built else f"build the image {image or 'with the new packages'}, and "
    return f"would {build}load {'it' if build else f'the image {image}'} into the cluster"


def end(project: Project, record: ClusterRecord, place: Place) -> Iterator[Change | str]:
    """See `Provider.would_end`."""
    own, cluster = Own.of(record), cluster_name(record.slug)
    if own.engine:
        there = containers.nodes_of(own.engine, cluster)
        if there and is_strange(own.engine, there, record):
            yield f"The cluster {cluster} is another one than was made, and would be left alone."
        elif there:
            names = ", ".join(node.name for node in there)
            words = f"would keep the pods' logs, then delete the cluster {cluster} ({names}), with all that is in it"
            yield Change("the cluster", words)
        else:
            for volume in volumes_left(record, cluster):
                yield Change("the volume", f"would delete the volume {volume}, which a node has left")
        for image in sorted(containers.images(own.engine) & set(record.images)):
            yield Change("the image", f"would delete the image {image} from {own.engine}")
    if leads_there(project, place):
        yield Change("the connection file", "would remove .kubefuture/connection.json")
    if kubeconfig_file(project).exists():
        yield Change("the kubeconfig", f"would remove {kubeconfig_file(project).relative_to(project.folder)}")
