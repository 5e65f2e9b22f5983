"""Makes the project's cluster, starts one that was stopped, and refuses one that is not the project's.

    no nodes ───────────────────────────> made
    ours, made to the end, all run ─────> left as it is
    ours, some stopped ─────────────────> started
    ours, half made ────────────────────> deleted, and made anew
    ours, a node is gone ─┐
    of another shape ─────┼─────────────> refused, with the next step
    not ours ─────────────┘

Ours is what has the containers that were recorded. While it is being made there is no such record yet; then it is a
label in the nodes' settings that tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from ...project.changes import Change, Say
from ...project.errors import ProjectError
from ...project.folder import Project
from ...project.progress import Step
from ...project.values import Values
from .. import record as records
from ..commands import KubeError, kubectl_json
from ..namespace import MARK
from ..place import LABEL, Place
from ..record import ClusterRecord
from . import containers, tool
from .containers import EngineError, Node
from .names import NAME, cluster_name, kubeconfig_file, state_folder
from .own import Own, shape_of

READY_SECONDS = 240.0
"""How long the nodes may take until Kubernetes runs on them; on a slow machine with many of them it is minutes."""

_CLOSED = re.compile(r"context .* does not exist|x509|Unauthorized|must be logged in")
"""What kubectl says of a kubeconfig that is lost or of another cluster."""


def ensure(project: Project, wanted: Values, record: ClusterRecord, say: Say) -> ClusterRecord:
    """See `Provider.make`.

    Raises:
        ProjectError: It cannot be made, or one of its name is not this project's.
    """
    own = Own.of(record)
    engine = own.engine or containers.working()[0]
    cluster = cluster_name(record.slug)
    there = containers.nodes_of(engine, cluster)
    if there:
        refuse_strange(engine, cluster, there, record)
    if there and not own.whole:
        say(f"The cluster {cluster} was only half made, and is made anew.")
        with Step("Deleting what was half made") as step:
            tool.delete(project, engine, cluster, step)
        there = []
    if there:
        return _keep(project, wanted, record, own, there, say)
    if own.whole:
        say(f"The cluster {cluster} was deleted meanwhile, and is made anew.")
    return _make(project, wanted, record, own, engine, say)


def is_strange(engine: str, there: Sequence[Node], record: ClusterRecord) -> bool:
    """Whether nodes of the cluster's name are not those that were made from here.

    Args:
        engine: docker or podman.
        there: The nodes, of which there are some.
        record: What was recorded.
    """
    own = Own.of(record)
    if own.whole:
        return not {node.id for node in there} & set(own.nodes)
    if not own.engine:
        return True
    mark = _mark_in(engine, there)
    return bool(mark) and mark != record.mark


def refuse_strange(engine: str, cluster: str, there: Sequence[Node], record: ClusterRecord) -> None:
    """Sees that nodes are those that were made, and all of them.

    Args:
        engine: docker or podman.
        cluster: The cluster's name.
        there: The nodes, of which there are some.
        record: What was recorded.

    Raises:
        ProjectError: They are not, or some of them are gone.
    """
    if is_strange(engine, there, record):
        raise ProjectError(
            f"A kind cluster {cluster} is here already, which was not made from this folder. If it is of another "
            f"checkout of this project and may go: make down PROJECT={record.slug} PROVIDER={NAME}. If it was made "
            f"by hand: kind delete cluster --name {cluster}"
        )
    made = Own.of(record).nodes
    lost = len(set(made) - {node.id for node in there})
    if lost:
        raise ProjectError(
            f"{lost} of the {len(made)} nodes of the cluster {cluster} are gone; {engine} has only "
            f"{', '.join(node.name for node in there)} left. A cluster cannot be mended: make down, then make up."
        )


def _mark_in(engine: str, there: Sequence[Node]) -> str:
    for node in there:
        try:
            settings = containers.ask(engine, "exec", node.name, "cat", "/kind/kubeadm.conf")
        except EngineError:
            continue  # it does not run, or was not written yet
        if found := re.search(rf"\b{re.escape(MARK)}=([0-9a-f]+)", settings):
            return found[1]
    return ""


def refuse_other_shape(wanted: Values, record: ClusterRecord) -> None:
    """Sees that a cluster is made as values.yaml wants it now.

    Raises:
        ProjectError: It is not.
    """
    own = Own.of(record)
    if own.shape and own.shape != shape_of(wanted):
        raise ProjectError(
            f"The cluster {cluster_name(record.slug)} was made with {own.shape}, and values.yaml now asks for "
            f"{shape_of(wanted)}. A kind cluster cannot be changed: make down, then make up."
        )


def _keep(
    project: Project,
    wanted: Values,
    record: ClusterRecord,
    own: Own,
    there: Sequence[Node],
    say: Say,
) -> ClusterRecord:
    """What is there, started if it was stopped."""
    refuse_other_shape(wanted, record)
    stopped = [node for node in there if not node.runs]
    lost = not _is_open(record.place)
    with Step("Starting the cluster") as step:
        if stopped:
            step.tick(f"starting {', '.join(node.name for node in stopped)}")
            containers.start(own.engine, stopped)
        if stopped or lost:
            _export(project, own.engine, cluster_name(record.slug), step)
        # The engine may have started it a moment ago, with itself.
        _wait_until_ready(project, record.place, own.engine, step)
    if stopped:
        say(Change("the cluster", f"The cluster {cluster_name(record.slug)} was stopped, and runs again."))
    if lost:
        say(Change("the kubeconfig", "The cluster's kubeconfig is written."))
    return record


def _make(
    project: Project,
    wanted: Values,
    record: ClusterRecord,
    own: Own,
    engine: str,
    say: Say,
) -> ClusterRecord:
    cluster = cluster_name(record.slug)
    labels = {LABEL: record.slug, MARK: record.mark}
    earlier = own
    own = Own(engine=engine, volumes=own.volumes)
    kubeconfig_file(project).unlink(missing_ok=True)
    record = records.with_own(project, record, own.content())
    began = time.monotonic()
    keys = wanted.data["kind"]
    with Step("Making the cluster") as step:
        try:
            tool.create(project, engine, cluster, int(keys["nodes"]), str(keys["node_image"]), labels, step)
        except tool.KindError:
            if not containers.nodes_of(engine, cluster):
                left = containers.volumes_left(engine, cluster)
                gone = containers.remove_volumes(engine, left)
                if gone == left and not earlier.engine:
                    records.with_own(project, record, {})
            raise
        there = containers.nodes_of(engine, cluster)
        own = own.made(there, shape_of(wanted))
        record = records.with_own(project, record, own.content())
        _wait_until_ready(project, record.place, engine, step)
    count = "one node" if len(there) == 1 else f"{len(there)} nodes"
    words = f"The cluster {cluster} of {count} is made with {engine}, in {time.monotonic() - began:.0f} s."
    say(Change("the cluster", words))
    return record


def _export(project: Project, engine: str, cluster: str, step: Step) -> None:
    """Writes the kubeconfig again; a node that was just started answers after a moment."""
    began = time.monotonic()
    while True:
        try:
            tool.export(project, engine, cluster)
            return
        except tool.KindError:
            if time.monotonic() - began > 10.0:
                raise
            step.tick("waiting for the control plane's container")
            time.sleep(0.5)


def _is_open(place: Place) -> bool:
    """Whether the kubeconfig leads into the cluster, as far as that can be told."""
    try:
        kubectl_json(place, "get", "nodes", namespaced=False)
    except KubeError as error:
        return not _CLOSED.search(error.said)
    return True


def _wait_until_ready(project: Project, place: Place, engine: str, step: Step) -> None:
    began = time.monotonic()
    while True:
        lacking = _lacking(place)
        if not lacking:
            return
        step.tick(f"waiting: {lacking}")
        if time.monotonic() - began > READY_SECONDS:
            raise ProjectError(
                f"The cluster {cluster_name(place.slug)} does not get ready in {READY_SECONDS:.0f} s: {lacking}. "
                f"{keep_node_logs(project, engine, place)}Mostly memory or inotify watches are short (make doctor). "
                "To begin anew: make down, then make up."
            )
        time.sleep(0.5)


def _lacking(place: Place) -> str:
    """What is not ready yet, in words; empty for nothing."""
    try:
        nodes = kubectl_json(place, "get", "nodes", namespaced=False)["items"]
        classes = kubectl_json(place, "get", "storageclass", namespaced=False)["items"]
    except KubeError as error:
        if _CLOSED.search(error.said):
            raise
        # While it starts it refuses much for a moment.
        return "the API server does not answer yet" if error.is_unreachable else str(error)
    waiting = [
        one["metadata"]["name"]
        for one in nodes
        if not any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in one["status"].get("conditions", ())
        )
    ]
    if waiting or not nodes:
        return f"{', '.join(waiting) or 'no node'} {'are' if len(waiting) > 1 else 'is'} not ready"
    return "" if classes else "there is no storage class yet"


def keep_node_logs(project: Project, engine: str, place: Place) -> str:
    """Saves what the nodes said; returns the sentence that tells where, empty if that failed."""
    folder = state_folder(project) / "node-logs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tool.save_logs(engine, cluster_name(place.slug), folder)
    except (ProjectError, OSError):
        return ""
    return f"What its nodes said is in {folder.relative_to(project.folder)}. "
