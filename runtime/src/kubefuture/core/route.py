"""Where a way into a cluster leads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """Where a tunnel leads.

    Attributes:
        kubeconfig: The file, or several with colons between, that describe the cluster.
        context: Which of the contexts in there.
        namespace: The namespace of the service.
        service: Its name.
        port: Its port.
        kind: What it is if it is no service: a deployment has pods, whose ports need not be a service's.
    """

    kubeconfig: str
    context: str
    namespace: str
    service: str
    port: int
    kind: str = "service"
