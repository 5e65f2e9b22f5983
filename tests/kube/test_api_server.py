"""Where the scheduler of a cluster finds its API server, as far as the login may look."""

from __future__ import annotations

import pytest
from kubefuture.kube import api_server
from kubefuture.kube.api_server import USUAL_PORTS
from kubefuture.kube.commands import KubeError
from kubefuture.kube.place import Place

PLACE = Place("existing", "/config", "lab", "space", "study", "study")
SERVICE = {"spec": {"clusterIPs": ["10.96.0.1", "fd00::1"], "ports": [{"port": 443}]}}
BEHIND = {
    "endpoints": [{"addresses": ["192.168.1.3"]}, {"addresses": ["192.168.1.2"]}],
    "ports": [{"name": "https", "port": 16443}],
}


@pytest.fixture
def cluster(monkeypatch):
    """Decides what kubectl says; what it was asked is not of interest here."""

    def make(found=None, error="", versions="v1\napps/v1\n"):
        def kubectl_json(place, *arguments, **options):
            if error:
                raise KubeError("a sentence", error)
            return {"items": found}

        monkeypatch.setattr(api_server, "kubectl_json", kubectl_json)
        monkeypatch.setattr(api_server, "kubectl", lambda place, *arguments, **options: versions)

    return make


def test_it_is_the_service_and_what_is_behind_it(cluster):
    cluster([SERVICE, BEHIND])
    assert api_server.api_server(PLACE) == {
        "cidrs": ["10.96.0.1/32", "192.168.1.2/32", "192.168.1.3/32", "fd00::1/128"],
        "ports": [443, 16443],
    }


def test_a_service_without_ready_endpoints_is_still_known(cluster):
    cluster([SERVICE, {"endpoints": None, "ports": None}])
    assert api_server.api_server(PLACE)["ports"] == [443]


def test_cilium_takes_no_address_to_mean_a_node(cluster):
    cluster([SERVICE, BEHIND], versions="apps/v1\ncilium.io/v2\nv1\n")
    assert api_server.api_server(PLACE) == {"cidrs": [], "ports": [443, 16443]}


def test_who_may_not_look_gets_the_usual_ports(cluster):
    cluster(error='Error from server (Forbidden): services "kubernetes" is forbidden')
    assert api_server.api_server(PLACE) == {"cidrs": [], "ports": list(USUAL_PORTS)}


def test_a_cluster_that_is_away_is_an_error(cluster):
    cluster(error="Unable to connect to the server: dial tcp: i/o timeout")
    with pytest.raises(KubeError):
        api_server.api_server(PLACE)
