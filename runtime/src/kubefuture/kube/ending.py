"""Ends a deployment on a cluster: what its pods said is kept, then everything goes, and it is waited for.

connection file ─> logs ─> release ─> pods ─> secret ─> claim and its volume ─> namespace, if it is the recorded one
                                                                              ─> images in the registry
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..core.connection import DASK, Connection
from ..errors import KubefutureError
from ..project.changes import Change, Say
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.progress import Step
from . import logs, namespace, owner, pods, registry, release, volumes
from .commands import KubeError, find, kubectl, kubectl_json
from .engine import forget
from .place import LABEL, Place
from .record import ClusterRecord
from .rollout import UNREACHABLE_SECONDS

DRAINING_SECONDS = 8.0
"""How long pods may take before what runs in them is killed."""

GONE_SECONDS = 300.0
"""How long volumes and the namespace may take to go if the playbooks say nothing; clouds detach disks slowly."""


def end(project: Project, record: ClusterRecord, say: Say, seconds: float = GONE_SECONDS) -> None:
    """Deletes everything that was recorded. What is gone already is fine.

    Args:
        project: The project.
        record: What was put where.
        say: Takes what was done.
        seconds: How long volumes, and then the namespace, may take to go.

    Raises:
        ProjectError: Something cannot be deleted.
    """
    try:
        _end_in_cluster(project, record, say, seconds)
        if record.engine != DASK:  # which has no volume
            with Step("Waiting until the volume is gone") as step:
                _wait(step, lambda: bool(_claimed_before(record.place)), "the volume", seconds)
    finally:
        # A cluster that cannot be reached is no reason to keep the rest.
        forget_connection(project, record.place, say)
        _delete_images(record, say)


def _end_in_cluster(project: Project, record: ClusterRecord, say: Say, seconds: float) -> None:
    place = record.place
    there = namespace.look_at(place)
    if there is None:
        return
    if not record.is_of(there):
        if record.uid:
            say(f"The namespace {place.namespace} is another one than was made, and is left alone.")
        return
    if not there.ending and owner.is_others(record):
        say(f"The release {place.release} was made by another checkout, and is left alone.")
        return
    if not there.ending:
        keep_logs(project, place, say)
        if _end_release(place, seconds):
            say(Change("the release", f"The release {place.release} is deleted."))
    if record.made or there.mark == record.mark:
        with Step("Deleting the namespace") as step:
            namespace.delete(place, there.uid)
            _wait(step, lambda: _is_there(place, there.uid), f"the namespace {place.namespace}", seconds)
        say(Change("the namespace", f"The namespace {place.namespace} is deleted."))


def _delete_images(record: ClusterRecord, say: Say) -> None:
    for image in record.images:
        for engine in forget(image):
            say(Change("the image here", f"The image {image} is deleted from {engine} on this machine."))
        try:
            was_there = registry.delete(image)
        except ProjectError:
            continue  # who looks for leftovers says why it is still there
        if was_there:
            say(Change("the image", f"The image {image} is deleted from its registry."))


def _is_there(place: Place, uid: str) -> bool:
    there = namespace.look_at(place)
    return there is not None and there.uid == uid


def _end_release(place: Place, seconds: float) -> bool:
    """Deletes what the chart has made, and returns whether there was anything."""
    was_there = bool(release.status(place)[0] or _left_of(place))
    names = _volumes(place)
    options = ["--selector", place.selector, "--ignore-not-found", "--wait=false"]
    # Whoever deletes a pod first says how long it may take, and a worker's own time is that of an element. So what
    # would make pods anew goes first, without the pods.
    kubectl(place, "delete", "deployments,replicasets", "--cascade=orphan", *options)
    kubectl(place, "delete", "pods", "--grace-period=2", *options)
    release.uninstall(place)
    for kind in ("persistentvolumeclaims", "services", "networkpolicies"):
        kubectl(place, "delete", kind, *options)
    kubectl(
        place, "delete", "secrets,configmaps", "--selector", f"{LABEL}={place.slug}", "--ignore-not-found"
    )
    with Step("Waiting until the pods and the volume are gone") as step:
        patient = time.monotonic() + DRAINING_SECONDS
        ended: set[str] = set()

        def still() -> bool:
            if time.monotonic() > patient:
                _end_draining(place, ended)
            left = _left_of(place)
            if any(one["kind"] == "Pod" and "deletionTimestamp" not in one["metadata"] for one in left):
                # A controller that had not seen its end yet has made it meanwhile.
                kubectl(place, "delete", "pods", "--grace-period=2", *options)
            return bool(left)

        _wait(step, still, f"pods, claims and what makes pods in {place.namespace}", seconds)
        _wait(step, lambda: any(_volume(place, name) for name in names), "the volume", seconds)
    return was_there


def _end_draining(place: Place, ended: set[str]) -> None:
    """Ends what runs in pods that were told to go before, with a long time that not every node lets be shortened."""
    names = sorted({pod.name for pod in pods.of(place)} - ended)
    with ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda name: _kill_in(place, name), names)
        ended |= {name for name, is_told in zip(names, told, strict=True) if is_told}


def _kill_in(place: Place, pod: str) -> bool:
    """Whether it has been told, or is gone meanwhile, as is the program that was asked to kill itself too."""
    try:
        kubectl(place, "exec", pod, "--", "sh", "-c", "kill -9 -1")
    except KubeError as error:
        return not error.is_unreachable
    return True


def _left_of(place: Place) -> list[Any]:
    # Deployments and ReplicaSets wait for the garbage collector, which first lets go of their pods.
    kinds = "deployments,replicasets,pods,persistentvolumeclaims"
    found: list[Any] = kubectl_json(place, "get", kinds, "--selector", place.selector)["items"]
    return found


def _claimed_before(place: Place) -> list[str]:
    """Volumes of a claim of ours that is gone, as with a namespace that somebody deleted: they go a little later."""
    try:
        found = volumes.claimed(place)
        claim = find(place, "persistentvolumeclaim", volumes.claim_of(place))
    except KubeError as error:
        if error.is_unreachable:
            raise
        return []
    alive = None if claim is None else claim["metadata"]["uid"]
    return [
        one["metadata"]["name"]
        for one in found
        if not volumes.is_kept(one) and one["spec"]["claimRef"].get("uid") != alive
    ]


def _volumes(place: Place) -> list[str]:
    claims = kubectl_json(place, "get", "persistentvolumeclaims", "--selector", place.selector)["items"]
    return [one["spec"]["volumeName"] for one in claims if one["spec"].get("volumeName")]


def _volume(place: Place, name: str) -> bool:
    """Whether a volume is still there and being deleted; one that is to be kept is not waited for."""
    try:
        found = find(place, "persistentvolume", name, namespaced=False)
    except KubeError as error:
        if error.is_unreachable:
            raise
        return False  # whoever may not see volumes cannot wait for them; what is left names it
    return found is not None and not volumes.is_kept(found)


def _wait(step: Step, still: Callable[[], bool], what: str, seconds: float) -> None:
    answered = time.monotonic()
    until = answered + seconds
    while True:
        try:
            if not still():
                return
            answered = time.monotonic()
            step.tick(f"waiting for {what}")
        except KubeError as error:
            if not error.is_unreachable or time.monotonic() - answered > UNREACHABLE_SECONDS:
                raise
            step.tick("the API server does not answer")
        if time.monotonic() > until:
            raise ProjectError(f"Still there after {seconds:.0f} s: {what}. Run `make down` again later.")
        time.sleep(0.5)


def keep_logs(project: Project, place: Place, say: Say) -> bool:
    """Writes what the pods have said to files; returns whether that could be done.

    Args:
        project: The project.
        place: Which release.
        say: Takes what was done, or why not.
    """
    folder = logs_folder(project, place)
    try:
        count = logs.save(place, folder)
    except (KubefutureError, OSError) as error:
        say(f"The pods' logs could not be kept: {error}")
        return False
    if count:
        where = folder.relative_to(project.folder)
        say(Change("the pods' logs", f"What the pods said is in {where}."))
    return True


def logs_folder(project: Project, place: Place) -> Path:
    """Where the logs of pods that are gone are kept."""
    return project.state / place.provider / "logs"


def forget_connection(project: Project, place: Place, say: Say) -> None:
    """Removes the connection file if it is this deployment's."""
    if leads_there(project, place):
        project.connection_file.unlink(missing_ok=True)
        say(Change("the connection file", "The connection file is removed."))


def leads_there(project: Project, place: Place) -> bool:
    """Whether the connection file is this deployment's."""
    try:
        route = Connection.load(project.connection_file).route
    except KubefutureError:
        return False
    return route is not None and (route.context, route.namespace) == (place.context, place.namespace)
