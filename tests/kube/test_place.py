"""A project's names on Kubernetes, and what kubectl's own words mean."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubefuture.kube.commands import KubeError, explain
from kubefuture.kube.place import Place, slug_of
from kubefuture.project.errors import ProjectError

PLACE = Place("existing", "/home/me/.kube/config", "lab", "kubefuture-study", "study", "study")


@given(st.text(min_size=1, max_size=100))
def test_any_folder_name_gives_a_name_that_kubernetes_allows(name):
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", slug_of(name))


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_two_names_never_become_one(one, other):
    assert (slug_of(one) == slug_of(other)) == (one == other)


def test_a_name_that_is_allowed_stays_as_it_is():
    assert slug_of("study-2") == "study-2"
    with pytest.raises(ProjectError, match="no name"):
        slug_of("")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            'Error from server (Forbidden): namespaces is forbidden: User "ann" cannot create resource "namespaces" in '
            'API group "" at the cluster scope',
            r"login \(ann\).*may not create namespaces in the whole cluster.*cluster\.namespace",
        ),
        (
            'Error from server (Forbidden): pods is forbidden: User "ann" cannot list resource "pods" in API group "" '
            'in the namespace "one"',
            "may not list pods in namespace one",
        ),
        ("error: You must be logged in to the server (Unauthorized)", "Log in again"),
        ('error: context "lab" does not exist', "no context lab in /home/me.*get-contexts"),
        (
            "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?",
            "cannot be reached.*10.0.0.1:6443.*VPN",
        ),
        ("Unable to connect to the server: dial tcp: lookup nowhere: no such host", "cannot be reached"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "cannot prove"),
        ("Error: something that nobody has seen yet", "something that nobody has seen yet"),
    ],
)
def test_what_kubectl_says_becomes_a_sentence_with_the_next_step(said, words):
    assert re.search(words, explain(said, PLACE))


def test_what_is_absent_is_told_from_what_cannot_be_reached():
    absent = KubeError("", 'Error from server (NotFound): namespaces "one" not found')
    assert absent.is_absent and not absent.is_unreachable
    lost = KubeError("", "Unable to connect to the server: net/http: TLS handshake timeout")
    assert lost.is_unreachable and not lost.is_absent
