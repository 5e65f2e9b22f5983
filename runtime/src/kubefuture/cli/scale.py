"""`scale`: change how many workers there are, until the next `make up`."""

from __future__ import annotations

import argparse

from ..core.connection import DASK, Connection
from ..kube.place import Place, place_of_connection
from ..project import values
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.launch import refuse_if_down
from ..project.progress import Step

IN_VENV = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("count", help="how many workers")


def check(project: Project, options: argparse.Namespace) -> None:
    """Refuses a count that values.yaml does not allow, which only the tools' environment can read."""
    _count(options.count, values.load(project).max_workers)
    refuse_if_down(project)


def run(project: Project, options: argparse.Namespace) -> int:
    """Scales."""
    count = int(options.count)
    connection = Connection.load(project.connection_file)
    place = place_of_connection(connection)
    if place is None:
        from ..client.control import set_scale

        set_scale(connection, count)
    else:
        _on_cluster(connection, place, count)
    print(f"{'1 worker' if count == 1 else f'{count} workers'} from now on, until the next `make up`.")
    return 0


def _on_cluster(connection: Connection, place: Place, count: int) -> None:
    from ..kube.rollout import wait

    if connection.engine == DASK:
        from ..kube.scaling import set_replicas

        set_replicas(place, count)
    else:
        from ..client.control import order_scale

        order_scale(connection, count)
    with Step("Waiting for the pods") as step:
        wait(place, step, count=count)


def _count(text: str, most: int) -> int:
    if not text.strip():
        raise ProjectError("How many workers? For example: make scale N=3")
    try:
        count = int(text)
    except ValueError:
        raise ProjectError(f"N is {text}; allowed is a whole number from 1 to {most}.") from None
    if count < 1:
        raise ProjectError(
            f"N is {count}; allowed is a whole number from 1 to {most}. To end everything: make down"
        )
    if count > most:
        raise ProjectError(
            f"N is {count}; allowed is at most {most}, which is limits.max_workers in values.yaml."
        )
    return count
