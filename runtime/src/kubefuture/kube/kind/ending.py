"""Deletes the project's cluster with all that is in it, and looks for what is left of it on this machine.

connection file, kubeconfig ─> logs ─> cluster, with its nodes' volumes ─> the image that was built
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from ...project.changes import Change, Say
from ...project.errors import ProjectError
from ...project.folder import Project
from ...project.progress import Step
from ...project.proof import Proof
from .. import ending, owner
from .. import record as records
from ..adopting import engine_of
from ..commands import kubectl_json
from ..image import repository_of
from ..place import Place, slug_of
from ..record import ClusterRecord
from . import containers, tool
from .cluster import is_strange, keep_node_logs
from .containers import EngineError, Node
from .names import NAME, cluster_name, kubeconfig_file
from .own import Own


def end(project: Project, record: ClusterRecord, place: Place, say: Say) -> None:
    """See `Provider.end`.

    Args:
        project: The project.
        record: What was made.
        place: Where that is.
        say: Takes a line about what was done.

    Raises:
        ProjectError: Something cannot be deleted.
    """
    own = Own.of(record)
    try:
        if own.engine:
            _end_cluster(project, record, place, own, say)
    finally:
        # An engine that does not answer is no reason to keep the rest.
        ending.forget_connection(project, place, say)
        if kubeconfig_file(project).exists():
            kubeconfig_file(project).unlink(missing_ok=True)
            say(Change("the kubeconfig", "The cluster's kubeconfig is removed."))


def _end_cluster(project: Project, record: ClusterRecord, place: Place, own: Own, say: Say) -> None:
    cluster = cluster_name(record.slug)
    there = containers.nodes_of(own.engine, cluster)
    if there and is_strange(own.engine, there, record):
        say(f"The cluster {cluster} is another one than was made, and is left alone.")
    elif there:
        _keep_logs(project, own.engine, place, there, say)
        with Step("Deleting the cluster") as step:
            try:
                tool.delete(project, own.engine, cluster, step)
            except tool.KindError:
                # Somebody else may have deleted it at the same time, at which it stumbles.
                if containers.nodes_of(own.engine, cluster):
                    raise
        say(Change("the cluster", f"The cluster {cluster} is deleted."))
    # A volume stays when somebody removes a node's container by hand.
    for volume in containers.remove_volumes(own.engine, volumes_left(record, cluster)):
        say(Change("the volume", f"The volume {volume}, which a node had left, is deleted."))
    for image in sorted(containers.images(own.engine) & set(record.images)):
        try:
            containers.ask(own.engine, "image", "rm", image)
        except EngineError:
            continue  # who looks for leftovers names it
        say(Change("the image", f"The image {image} is deleted from {own.engine}."))


def _keep_logs(project: Project, engine: str, place: Place, there: Sequence[Node], say: Say) -> None:
    if not any(node.runs for node in there):
        say(
            "The cluster does not run, so what its pods said is not kept. `make up` before `make down` starts it."
        )
        return
    if not ending.keep_logs(project, place, say) and (told := keep_node_logs(project, engine, place)):
        say(told.strip())


def look(project: Project, record: ClusterRecord) -> Proof:
    """See `Provider.look`."""
    proof, own = Proof(), Own.of(record)
    if not own.engine:
        proof.looked.append("the record, in which nothing was made yet")
        return proof
    cluster = cluster_name(record.slug)
    try:
        for what, found in _left(own, record, cluster):
            proof.looked.append(what)
            proof.left += found
    except ProjectError as error:
        proof.unchecked.append(
            f"{error} If {own.engine} is gone for good, remove .kubefuture/deployed/{NAME}.yaml."
        )
    proof.looked.append(f"the kubeconfig {kubeconfig_file(project).relative_to(project.folder)}")
    if kubeconfig_file(project).exists():
        proof.left.append(f"the kubeconfig {kubeconfig_file(project)}")
    return proof


def _left(own: Own, record: ClusterRecord, cluster: str) -> Iterator[tuple[str, list[str]]]:
    """What is looked at, and what of it is there."""
    there = containers.nodes_of(own.engine, cluster)
    strange = bool(there) and is_strange(own.engine, there, record)
    yield (
        f"containers of the cluster {cluster} in {own.engine}",
        [] if strange else [f"container {node.name} ({node.state})" for node in there],
    )
    # Two ways to ask the same: kind also knows clusters that its next version marks in another way.
    known = cluster in tool.clusters(own.engine) and not there
    yield "kind's list of clusters", [f"kind cluster {cluster}"] if known else []
    left = volumes_left(record, cluster)
    yield f"volumes of its nodes in {own.engine}", [f"volume {name}" for name in left]
    for image in record.images:
        found = [f"image {image}"] if image in containers.images(own.engine) else []
        yield f"image {image} in {own.engine}", found


def volumes_left(record: ClusterRecord, cluster: str) -> list[str]:
    """All but those of nodes of this name that are not ours."""
    own = Own.of(record)
    there = containers.nodes_of(own.engine, cluster)
    strange = bool(there) and is_strange(own.engine, there, record)
    theirs = {name for node in there for name in node.volumes} if strange else set()
    return [name for name in containers.volumes_left(own.engine, cluster, own.volumes) if name not in theirs]


def find(project: Project, name: str, place: Callable[[str], Place]) -> ClusterRecord:
    """See `Provider.find`.

    Args:
        project: The checkout.
        name: The project's name.
        place: Where a project of a slug would be.

    Raises:
        ProjectError: There is no such cluster.
    """
    slug = slug_of(name)
    if (earlier := records.up_already(project, NAME, slug)) is not None:
        return earlier
    cluster = cluster_name(slug)
    engines = containers.working()
    found = ((engine, containers.nodes_of(engine, cluster)) for engine in engines)
    engine, there = next(((engine, nodes) for engine, nodes in found if nodes), ("", []))
    if not there:
        raise ProjectError(
            f"There is nothing of a project {name} in {' and '.join(engines)} on this machine: no kind cluster "
            f"{cluster}. Nothing was deleted."
        )
    own = Own(engine=engine).made(there, shape="")
    images = sorted(containers.images(engine) & _images_of(engine, there, slug))
    return records.found(place(slug), None, images, own.content())


def _images_of(engine: str, nodes: Sequence[Node], slug: str) -> set[str]:
    """The project's images that its nodes were given; nothing tells of those of nodes that do not run."""
    ours = f"/{repository_of(slug)}"
    given: set[str] = set()
    for node in nodes:
        with suppress(EngineError):
            given |= containers.images_on(engine, node)
    return {image for image in given if image.rpartition(":")[0].endswith(ours)}


def adopt(project: Project, record: ClusterRecord) -> ClusterRecord:
    """See `Provider.adopt`; the record is that of `find`."""
    record = records.keep(project, record)
    try:
        tool.export(project, Own.of(record).engine, cluster_name(record.slug))
        options = ("--all-namespaces", "--selector", record.place.selector)
        programs = kubectl_json(record.place, "get", "deployments", *options, namespaced=False)["items"]
    except ProjectError:
        return record  # only its pods' logs are read with it
    namespace = next((one["metadata"]["namespace"] for one in programs), record.namespace)
    record = replace(record, namespace=namespace, engine=engine_of(programs))
    return records.keep(project, replace(record, mark=owner.of_release(record.place)))
