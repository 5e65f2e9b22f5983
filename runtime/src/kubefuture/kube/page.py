"""Where a release has its page for browsers, and what is to be seen there."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.route import Route
from ..project.errors import ProjectError
from .commands import find
from .place import Place

PORT = "page"
"""What the chart calls the port of the scheduler's container, which listens for its pod alone."""

_DASK = 8787


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        route: The way to it.
        path: What follows the address.
        shows: What is to be seen there, as the end of a sentence.
    """

    route: Route
    path: str
    shows: str


def page_of(place: Place) -> Page:
    """The page of what is up there.

    Raises:
        ProjectError: There is none, or it cannot be told.
    """
    name = place.service
    deployment = find(place, "deployment", name)
    if deployment is None:
        raise ProjectError(
            f"There is no scheduler in namespace {place.namespace} of context {place.context}. Start it: make up"
        )
    ports = [
        port["containerPort"]
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", ())
        if port.get("name") == PORT
    ]
    if not ports:
        raise ProjectError(
            "What is up was started by an older version, which has no page for browsers: make up"
        )
    route = Route(place.kubeconfig, place.context, place.namespace, name, ports[0], "deployment")
    if ports[0] == _DASK:
        return Page(route, "/status", "Dask's own dashboard")
    return Page(route, "/", "the workers, maps and troubles")
