"""The end of a release while the API server is away, and pods that a controller makes meanwhile."""

from __future__ import annotations

import pytest
from kubefuture.kube import ending
from kubefuture.kube.commands import KubeError
from kubefuture.kube.place import Place
from kubefuture.project.errors import ProjectError
from kubefuture.project.progress import Step

PLACE = Place("existing", "/config", "lab", "space", "study", "study")
AWAY = KubeError("It cannot be reached.", "The connection to the server 10.0.0.1:6443 was refused")
FORBIDDEN = KubeError("You may not.", "Error from server (Forbidden): pods is forbidden")


@pytest.fixture
def wait(monkeypatch):
    """Waits for what is said in turn: that something is still there, or an error."""
    monkeypatch.setattr(ending.time, "sleep", lambda _: None)

    def run(*said, seconds=3600.0):
        left = list(said)

        def still():
            one = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(one, KubeError):
                raise one
            return one

        with Step("Waiting") as step:
            ending._wait(step, still, "pods", seconds)
        return left

    return run


def test_an_api_server_that_is_away_for_a_moment_ends_nothing(wait):
    assert wait(True, AWAY, AWAY, True, AWAY, False) == [False]


def test_one_that_stays_away_is_said(wait, monkeypatch):
    monkeypatch.setattr(ending, "UNREACHABLE_SECONDS", 0.0)
    with pytest.raises(KubeError, match="cannot be reached"):
        wait(True, AWAY)


def test_what_the_login_may_not_do_is_said_at_once(wait):
    with pytest.raises(KubeError, match="You may not"):
        wait(True, FORBIDDEN, False)


def test_what_stays_is_said_when_time_is_up(wait):
    with pytest.raises(ProjectError, match="Still there after 0 s: pods"):
        wait(True, seconds=0.0)


def test_a_pod_that_could_not_be_told_is_told_again(monkeypatch):
    said, told = [AWAY, None, FORBIDDEN], []

    def kubectl(place, verb, pod, *arguments):
        told.append(pod)
        if (error := said.pop(0)) is not None:
            raise error
        return ""

    class One:
        name = "study-worker-1"

    monkeypatch.setattr(ending.pods, "of", lambda _: [One])
    monkeypatch.setattr(ending, "kubectl", kubectl)
    ended: set[str] = set()
    for expected in (set(), {One.name}, {One.name}):
        ending._end_draining(PLACE, ended)
        assert ended == expected
    assert told == [One.name] * 2
    ended.clear()
    ending._end_draining(PLACE, ended)
    assert ended == {One.name}, "it is gone meanwhile"


def volume(name, uid, policy="Delete", namespace="space", claim="study-scheduler"):
    return {
        "metadata": {"name": name},
        "spec": {
            "persistentVolumeReclaimPolicy": policy,
            "claimRef": {"namespace": namespace, "name": claim, "uid": uid},
        },
    }


@pytest.mark.parametrize(
    ("claim", "waited_for"), [(None, ["gone", "alive"]), ({"metadata": {"uid": "2"}}, ["gone"])]
)
def test_volumes_of_a_claim_that_is_gone_are_waited_for_and_nobody_elses(monkeypatch, claim, waited_for):
    found = [
        volume("gone", "1"),
        volume("alive", "2"),
        volume("kept", "1", policy="Retain"),
        volume("elsewhere", "1", namespace="other"),
        volume("another's", "1", claim="other-scheduler"),
        {"metadata": {"name": "free"}, "spec": {}},
    ]
    monkeypatch.setattr(ending.volumes, "kubectl_json", lambda *_, **__: {"items": found})
    monkeypatch.setattr(ending, "find", lambda *_: claim)
    assert ending._claimed_before(PLACE) == waited_for


def test_who_may_not_see_volumes_waits_for_none(monkeypatch):
    def refuse(*_, **__):
        raise FORBIDDEN

    monkeypatch.setattr(ending.volumes, "kubectl_json", refuse)
    assert ending._claimed_before(PLACE) == []
