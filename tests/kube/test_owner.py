"""Whose a deployment is, and on which cluster, where the same names lead to several."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kubefuture.kube import namespace, owner, record
from kubefuture.kube.commands import KubeError
from kubefuture.kube.namespace import Namespace
from kubefuture.kube.place import Place
from kubefuture.project.errors import ProjectError

FIRST = Place("existing", "/home/ann/first", "default", "kubefuture-study", "study", "study")
OTHER = replace(FIRST, kubeconfig="/home/ann/other")
UP = replace(record.draft(FIRST), uid="the-first", made=True)
NO_CONTEXT = KubeError("There is no context.", 'error: context "default" does not exist')
AWAY = KubeError("It is away.", "dial tcp 10.0.0.1:6443: i/o timeout")


@pytest.fixture
def clusters(monkeypatch):
    """What each kubeconfig leads to: the uid of the namespace there, none, or an error."""
    there = {}

    def look_at(place):
        found = there.get(place.kubeconfig)
        if isinstance(found, KubeError):
            raise found
        return Namespace(found, "study", "", ending=False) if found else None

    monkeypatch.setattr(namespace, "look_at", look_at)
    return there


@pytest.mark.parametrize(
    "first", ["the-first", AWAY, NO_CONTEXT], ids=["there", "away", "without its context"]
)
@pytest.mark.parametrize("other", ["another", None], ids=["another namespace", "no namespace"])
def test_another_cluster_with_a_context_of_the_same_name_is_refused(clusters, first, other):
    clusters.update({FIRST.kubeconfig: first, OTHER.kubeconfig: other})
    with pytest.raises(ProjectError, match=r"/home/ann/other leads to another cluster\. First `make down`"):
        owner.refuse_other_cluster(UP, OTHER)


def test_a_kubeconfig_that_has_moved_is_followed(clusters):
    clusters.update({FIRST.kubeconfig: NO_CONTEXT, OTHER.kubeconfig: "the-first"})
    owner.refuse_other_cluster(UP, OTHER)


def test_a_deployment_that_is_gone_is_in_nobodys_way(clusters):
    owner.refuse_other_cluster(UP, OTHER)
    clusters[FIRST.kubeconfig] = "made-anew-by-somebody"
    owner.refuse_other_cluster(UP, OTHER)


def test_nothing_is_asked_where_nothing_is_recorded_or_nothing_has_changed(monkeypatch):
    monkeypatch.setattr(namespace, "look_at", None)
    owner.refuse_other_cluster(None, FIRST)
    owner.refuse_other_cluster(UP, FIRST)
    owner.refuse_other_cluster(record.draft(FIRST), OTHER)


@pytest.mark.parametrize(
    ("first", "today", "leads"),
    [
        ("the-first", "the-first", FIRST),
        (NO_CONTEXT, "the-first", OTHER),
        (NO_CONTEXT, "another", FIRST),
        (NO_CONTEXT, AWAY, FIRST),
        (AWAY, "the-first", FIRST),
    ],
)
def test_down_uses_todays_kubeconfig_only_where_that_of_before_is_lost(
    clusters, monkeypatch, first, today, leads
):
    clusters.update({FIRST.kubeconfig: first, OTHER.kubeconfig: today})
    monkeypatch.setenv("KUBECONFIG", OTHER.kubeconfig)
    assert owner.reachable(UP).place == leads
