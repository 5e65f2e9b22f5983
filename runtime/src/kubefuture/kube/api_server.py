"""Where a cluster's API server is for its pods: the service `kubernetes`, and the addresses and ports behind it.

Networks differ in whether a policy sees a connection before or after it is led from the one to the other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from .commands import KubeError, kubectl, kubectl_json
from .place import Place

USUAL_PORTS = (443, 6443, 8443, 16443)
"""Of API servers that one may not look up."""


def api_server(place: Place) -> dict[str, list[Any]]:
    """What the scheduler has to reach, for the chart's `networkPolicy.apiServer`.

    Where the login may not look it up, that is the usual ports at any address. With Cilium it is any address too: to it
    no block of addresses means a node, and on many clusters the API server is on one.

    Args:
        place: The cluster.

    Raises:
        KubeError: It does not answer.
    """
    try:
        found = kubectl_json(
            place, "get", "service/kubernetes", "endpointslice/kubernetes", "--namespace", "default",
            namespaced=False,
        )["items"]  # fmt: skip
    except KubeError as error:
        if error.is_unreachable:
            raise
        return {"cidrs": [], "ports": list(USUAL_PORTS)}
    addresses, ports = _places(found)
    return {"cidrs": [] if _has_cilium(place) else addresses, "ports": ports}


def _places(found: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[int]]:
    addresses: set[str] = set()
    ports: set[int] = set()
    for one in found:
        service = one.get("spec", {})
        addresses.update(service.get("clusterIPs") or ())
        for endpoint in one.get("endpoints") or ():
            addresses.update(endpoint["addresses"])
        ports.update(port["port"] for port in (*(service.get("ports") or ()), *(one.get("ports") or ())))
    return sorted(str(ipaddress.ip_network(address)) for address in addresses), sorted(ports)


def _has_cilium(place: Place) -> bool:
    versions = kubectl(place, "api-versions", namespaced=False)
    return any(line.startswith("cilium.io/") for line in versions.splitlines())
