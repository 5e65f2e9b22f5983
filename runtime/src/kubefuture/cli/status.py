"""`status`: one calm screen of the workers and what they are doing.

On a cluster that is what the cluster says of the pods, and what the scheduler says of the work, if it answers.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..core.connection import DASK, Connection
from ..errors import KubefutureError, NoAnswerError
from ..kube import record
from ..kube.commands import KubeError, kubectl
from ..kube.place import Place, place_of_connection
from ..kube.rollout import look
from ..kube.screen import Screen, Told, Usage, usage_of, wanted_workers
from ..kube.view import View
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.forwarding import address_of
from ..project.launch import refuse_if_down
from ..project.words import duration, table

if TYPE_CHECKING:
    from ..protocol.messages import Status

IN_VENV = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--all", action="store_true", help="on a cluster: each pod, however many there are")


def check(project: Project, options: argparse.Namespace) -> int | None:
    """What can be said without the project's environment, which there may be none of yet: nothing is up, or half."""
    if project.connection_file.exists() and project.venv_python.exists():
        return None
    if (known := record.up(project)) is not None:
        _show(project, known.place, look(known.place), None, None, everything=options.all)
        raise ProjectError(
            "It is not up as a whole: `make up` or `make down` was interrupted. Run either of them again."
        )
    if project.connection_file.exists():
        return None
    print(f"{project.name}: nothing is up. Start the workers with: make up")
    return 0


def run(project: Project, options: argparse.Namespace) -> int:
    """Shows it."""
    connection = Connection.load(project.connection_file)
    place = place_of_connection(connection)
    if place is not None:
        return _of_cluster(project, connection, place, everything=options.all)
    from ..client.control import fetch_status

    refuse_if_down(project)
    status = fetch_status(connection)
    slots = sum(worker.slots for worker in status.workers)
    busy = sum(worker.busy for worker in status.workers)
    print(f"{project.name}: up for {duration(status.uptime_s)} on {status.host}, Python {status.python}")
    print(f"  workers   {status.wanted_slots} wanted, {slots} connected, {busy} busy")
    print(f"  elements  {_elements(status)}")
    print(f"  programs  {status.sessions} connected, scheduler is process {status.scheduler_pid}")
    print(f"  page      {address_of(project) or 'none; `make forward` opens one for browsers'}")
    if status.workers:
        rows = [("supervisor", "host", "process", "workers", "busy", "connected for")]
        rows += [
            (
                worker.name,
                worker.host,
                str(worker.pid),
                str(worker.slots),
                str(worker.busy),
                duration(worker.connected_s) + (", does not answer" if worker.away else ""),
            )
            for worker in status.workers
        ]
        print()
        print("\n".join(table(rows)))
    return 0


def _of_cluster(project: Project, connection: Connection, place: Place, *, everything: bool) -> int:
    """Shows what the cluster knows, and what the scheduler says if it answers.

    Raises:
        KubeError: The cluster does not answer.
        KubefutureError: The scheduler does not.
    """
    view = look(place)
    told: Told | None = None
    problem: KubefutureError | None = None
    if _has_scheduler(view):
        try:
            told = _told(connection, view)
        except KubefutureError as error:
            problem = error
    else:
        problem = NoAnswerError(
            "The scheduler is not ready, so nobody knows what the workers do. See: make logs"
        )
    usage = _usage(place)
    _show(project, place, view, usage, told, everything=everything)
    if problem is not None:
        raise problem
    return 0


def _show(
    project: Project, place: Place, view: View, usage: Usage | None, told: Told | None, *, everything: bool
) -> None:
    screen = Screen(project.name, place, view, usage, told, address_of(project), everything)
    print("\n".join(screen.lines()), flush=True)


def _told(connection: Connection, view: View) -> Told:
    """What the scheduler says."""
    if connection.engine == DASK:
        return _told_by_dask(connection, view)
    from ..client.control import fetch_status

    status = fetch_status(connection)
    busy: Counter[str] = Counter()
    for worker in status.workers:
        busy[worker.node] += worker.busy
    rows = [("elements", _elements(status)), ("programs", f"{status.sessions} connected")]
    silent = sum(worker.away for worker in status.workers)
    if silent:
        rows.insert(0, ("", f"  {silent} of them do not answer at the moment"))
    return Told(status.wanted_slots, sum(worker.slots for worker in status.workers), busy, rows)


def _told_by_dask(connection: Connection, view: View) -> Told:
    """What Dask's scheduler says, which knows its workers by their pods."""
    from ..client.dask_control import fetch_dask_status

    status = fetch_dask_status(connection)
    nodes = {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in view.pods}
    busy: Counter[str] = Counter()
    for worker in status.workers:
        busy[nodes.get(worker.name, "")] += worker.running > 0
    rows = [
        ("engine", "dask"),
        ("chunks", f"{status.waiting} waiting, {status.running} running"),
        ("programs", f"{status.programs} connected"),
    ]
    return Told(wanted_workers(view), len(status.workers), busy, rows)


def _elements(status: Status) -> str:
    words = f"{status.queued} waiting, {status.running} running, {status.done} done"
    if status.failed:
        words += f" ({status.failed} failed)"
    return words + (f", {status.retried} run again" if status.retried else "")


def _usage(place: Place) -> Usage | None:
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{place.namespace}/pods"
    try:
        said = kubectl(
            place, "get", "--raw", f"{path}?labelSelector={quote(place.selector)}", namespaced=False
        )
        return usage_of(json.loads(said))
    except (KubeError, ValueError):
        return None  # most clusters measure, but not all, and not everybody may ask


def _has_scheduler(view: View) -> bool:
    return any(
        one["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "scheduler"
        and one.get("status", {}).get("readyReplicas", 0)
        for one in view.deployments
    )
