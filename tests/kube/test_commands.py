"""kubectl and helm when the API server is away for a moment: what is safe is asked again, and nothing else."""

from __future__ import annotations

import time

import pytest
from kubefuture.kube import commands
from kubefuture.kube.commands import KubeError, helm, kubectl
from kubefuture.kube.place import Place

PLACE = Place("existing", "/config", "lab", "space", "study", "study")

REFUSED = "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
HELM_REFUSED = "Error: Kubernetes cluster unreachable: Get https://10.0.0.1:6443/version: connection refused"
ASIDE = [
    "error: unexpected EOF",
    "Error from server: etcdserver: request timed out",
    "Error from server (TooManyRequests): the server has received too many requests",
    "http2: client connection lost",
]


@pytest.fixture
def away(tmp_path, monkeypatch):
    """Makes kubectl and helm fail so many times with a sentence before they do what they are asked."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tries = tmp_path / "tries"

    def make(sentence, times):
        tries.write_text("")
        for name in ("kubectl", "helm"):
            (tmp_path / name).write_text(
                f"#!/bin/sh\ncat >/dev/null\necho try >>'{tries}'\n"
                f"[ $(wc -l <'{tries}') -le {times} ] && {{ echo '{sentence}' >&2; exit 1; }}\necho done\n"
            )
            (tmp_path / name).chmod(0o755)
        return lambda: len(tries.read_text().split())

    return make


@pytest.mark.parametrize("sentence", [REFUSED, *ASIDE])
def test_what_only_reads_is_asked_again(away, sentence):
    count = away(sentence, 2)
    assert kubectl(PLACE, "get", "pods") == "done\n"
    assert count() == 3


def test_what_changes_something_is_asked_again_if_nobody_listened(away):
    count = away(REFUSED, 1)
    assert kubectl(PLACE, "apply", "--filename", "-", stdin="{}") == "done\n"
    assert count() == 2
    count = away(HELM_REFUSED, 1)
    assert helm(PLACE, "upgrade", "study", "chart") == "done\n"
    assert count() == 2


@pytest.mark.parametrize("sentence", ASIDE)
def test_what_may_have_changed_something_is_not_asked_again(away, sentence):
    for ask in (
        lambda: kubectl(PLACE, "apply", "--filename", "-", stdin="{}"),
        lambda: helm(PLACE, "upgrade", "study", "chart"),
    ):
        count = away(sentence, 1)
        with pytest.raises(KubeError) as caught:
            ask()
        assert caught.value.is_unreachable and count() == 1


def test_what_is_refused_for_a_reason_is_said_at_once(away):
    for sentence in (
        'Error from server (Forbidden): pods is forbidden: User "ann" cannot list resource "pods"',
        'Error from server (NotFound): pods "one" not found',
        "Error from server (InternalError): failed calling webhook",
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
        "Unable to connect to the server: tls: failed to verify certificate: x509: unknown authority",
        "Unable to connect to the server: dial tcp: lookup nowhere: no such host",
    ):
        count = away(sentence, 1)
        with pytest.raises(KubeError):
            kubectl(PLACE, "get", "pods")
        assert count() == 1


def test_an_api_server_that_stays_away_is_said_in_time(away, monkeypatch):
    monkeypatch.setattr(commands, "AGAIN_SECONDS", 0.2)
    away(REFUSED, 1000)
    with pytest.raises(KubeError, match="The API server of the cluster of context lab cannot be reached"):
        kubectl(PLACE, "get", "pods")


def test_an_answer_counts_however_late_it_is_read(away, monkeypatch):
    """A busy machine may not run this program for longer than a question may take."""
    away("", 0)
    communicate, late = commands.subprocess.Popen.communicate, []

    def too_late(process, given=None, timeout=None):
        if not late:
            late.append(process.wait())
            time.sleep(timeout)
            raise commands.subprocess.TimeoutExpired("kubectl", timeout)
        return communicate(process, given, timeout)

    monkeypatch.setattr(commands, "REQUEST_SECONDS", -0.5)
    monkeypatch.setattr(commands.subprocess.Popen, "communicate", too_late)
    assert kubectl(PLACE, "get", "pods") == "done\n"
