"""What pods say, merged and followed, with a strict stand-in for kubectl."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubefuture.kube import commands, following, logs, pods
from kubefuture.kube.commands import KubeError
from kubefuture.kube.following import Following
from kubefuture.kube.logs import Choice, Line, Once, parse
from kubefuture.kube.place import Place

from tests.faults.waiting import LIMIT, eventually
from tests.kube import fake_kubectl
from tests.kube.things import pod

PLACE = Place("existing", "/config", "lab", "kubefuture-study", "study", "study")


class World:
    """Pods that say something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pods: list[dict] = []
        self.show()

    def show(self) -> None:
        (self.folder / "pods.new").write_text(json.dumps(self.pods))
        (self.folder / "pods.new").rename(self.folder / "pods.json")

    def add(self, name: str, **how: object) -> None:
        self.pods.append(pod(name, **how))  # type: ignore[arg-type]
        self.show()

    def say(self, name: str, second: int, words: str, before: bool = False) -> None:
        path = self.folder / f"{name}{'.before' if before else ''}.log"
        with path.open("a") as file:
            file.write(f"2026-01-01T00:00:{second:02}.{second:09}Z {words}\n")

    def calls(self, command: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if f" {command} " in line]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    fake_kubectl.put(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_KUBECTL", str(tmp_path))
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(following, "_GATHER_SECONDS", 0.05)
    return World(tmp_path)


def past(choice: Choice = Choice(), lines: int = 10) -> list[tuple[str, str]]:  # noqa: B008
    return [(line.pod, line.words) for line in logs.past(PLACE, choice, pods.of(PLACE), lines)]


def test_all_pods_are_merged_by_time(world):
    world.add("study-scheduler-a", component="scheduler")
    world.add("study-worker-b")
    world.say("study-scheduler-a", 1, "one")
    world.say("study-worker-b", 2, "two")
    world.say("study-scheduler-a", 3, "2026-01-01T00:00:03.000Z three")
    assert past() == [("study-scheduler-a", "one"), ("study-worker-b", "two"), ("study-scheduler-a", "three")]
    assert past(lines=1) == [("study-worker-b", "two"), ("study-scheduler-a", "three")]


def test_two_hundred_pods_are_asked_with_one_command(world):
    for number in range(200):
        world.pods.append(pod(f"study-worker-{number:03}"))
        world.say(f"study-worker-{number:03}", number % 60, "here")
    world.show()
    assert len(past()) == 200
    assert len(world.calls("logs")) == 1


def test_a_pod_that_has_not_started_hides_no_other(world):
    world.add("study-worker-a", node="")
    world.add("study-worker-b")
    world.say("study-worker-b", 1, "here")
    assert past() == [("study-worker-b", "here")]


def test_a_container_that_died_is_heard_once_more_and_only_where_one_did(world):
    world.add("study-worker-a", restarts=1)
    world.add("study-worker-b")
    world.say("study-worker-a", 1, "MemoryError", before=True)
    world.say("study-worker-a", 2, "again")
    assert past() == [("study-worker-a", "MemoryError"), ("study-worker-a", "again")]
    assert [line for line in world.calls("logs") if "--previous" in line] == [
        line for line in world.calls("logs") if "study-worker-a" in line
    ]


def test_only_one_pod_or_one_program_is_heard(world):
    world.add("study-scheduler-a", component="scheduler")
    world.add("study-worker-b")
    world.add("study-worker-c")
    for one in ("study-scheduler-a", "study-worker-b", "study-worker-c"):
        world.say(one, 1, "here")
    assert past(Choice(component="scheduler")) == [("study-scheduler-a", "here")]
    assert past(Choice(pod="study-worker-c")) == [("study-worker-c", "here")]


def test_a_cluster_that_cannot_be_reached_is_said(world):
    world.add("study-worker-a")
    found = pods.of(PLACE)
    (world.folder / "away").touch()
    with pytest.raises(KubeError, match="cannot be reached"):
        logs.past(PLACE, Choice(), found, 10)


def test_an_api_server_that_takes_connections_and_says_nothing_is_not_waited_for(world, monkeypatch):
    """kubectl itself waits for a minute: its own limit does not hold while TLS is agreed on."""
    assert commands.REQUEST_SECONDS + 1 < 15
    monkeypatch.setattr(commands, "REQUEST_SECONDS", 0.0)
    (world.folder / "silent").touch()
    with pytest.raises(KubeError, match="cannot be reached") as caught:
        pods.of(PLACE)
    assert caught.value.is_unreachable


def test_what_is_kept_is_a_file_a_pod_and_what_was_kept_before_stays_once(world, tmp_path):
    world.add("study-worker-a", restarts=1)
    world.say("study-worker-a", 1, "MemoryError", before=True)
    world.say("study-worker-a", 2, "again")
    folder = tmp_path / "kept" / "logs"
    assert logs.save(PLACE, folder) == 2
    assert (folder / "study-worker-a.before.log").read_text() == "2026-01-01T00:00:01.000Z MemoryError\n"
    assert (folder / "study-worker-a.log").read_text() == "2026-01-01T00:00:02.000Z again\n"
    world.pods = [pod("study-worker-b")]
    world.show()
    world.say("study-worker-b", 3, "later")
    assert logs.save(PLACE, folder) == 1
    assert [path.name for path in folder.iterdir()] == ["study-worker-b.log"]
    assert len(list((tmp_path / "kept" / "logs.before").iterdir())) == 2


class Follower:
    """Somebody who follows in a thread."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.told: list[str] = []
        self.over = False
        self._following = Following(PLACE, Choice(), Once(), "", self._show, self.told.append)
        self._thread = threading.Thread(target=self._following.run, args=(lambda: self.over,), daemon=True)
        self._thread.start()

    def _show(self, lines: list[Line]) -> None:
        self.heard += [(line.pod[-1], line.words) for line in lines]

    def hears(self, *expected: tuple[str, str]) -> None:
        eventually(lambda: self.heard == list(expected), f"it hears {expected}, not {self.heard}")

    def close(self) -> None:
        self.over = True
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()


@pytest.fixture
def follower(world: World) -> Iterator[Follower]:
    world.add("study-worker-a")
    world.say("study-worker-a", 1, "one")
    made = Follower()
    yield made
    made.close()


def test_pods_that_come_later_are_followed_too_and_nothing_is_heard_twice(world, follower):
    follower.hears(("a", "one"))
    world.say("study-worker-a", 2, "two")
    follower.hears(("a", "one"), ("a", "two"))
    world.say("study-worker-b", 3, "three")
    world.add("study-worker-b")
    follower.hears(("a", "one"), ("a", "two"), ("b", "three"))
    world.say("study-worker-a", 4, "four")
    follower.hears(("a", "one"), ("a", "two"), ("b", "three"), ("a", "four"))


def test_a_pod_that_is_seen_late_is_heard_from_its_beginning(world, follower):
    follower.hears(("a", "one"))
    world.say("study-worker-a", 50, "two")
    follower.hears(("a", "one"), ("a", "two"))
    world.say("study-worker-b", 3, "long before")
    world.add("study-worker-b")
    follower.hears(("a", "one"), ("a", "two"), ("b", "long before"))


def test_a_container_that_is_started_again_is_followed(world, follower):
    follower.hears(("a", "one"))
    world.pods[0] = pod("study-worker-a", restarts=1)
    (world.folder / "study-worker-a.log").unlink()
    world.say("study-worker-a", 5, "again")
    world.show()
    follower.hears(("a", "one"), ("a", "again"))


def test_a_moment_without_the_api_server_is_said_once_and_nothing_is_lost(world, follower):
    follower.hears(("a", "one"))
    (world.folder / "away").touch()
    eventually(lambda: follower.told, "it is said")
    world.say("study-worker-a", 2, "meanwhile")
    (world.folder / "away").unlink()
    follower.hears(("a", "one"), ("a", "meanwhile"))
    eventually(lambda: len(follower.told) == 2, "so is the end of it")
    assert "cannot be reached" in follower.told[0] and "again" in follower.told[1]


def test_lines_of_kubectl_are_taken_apart_and_others_are_none():
    assert parse("[pod/p/worker] 2026-01-01T00:00:01.5Z 2026-01-01T00:00:01.500Z hello there") == Line(
        "2026-01-01T00:00:01.500000000Z", "p", "worker", "hello there"
    )
    assert parse("[pod/p/worker] 2026-01-01T00:00:01Z ") == Line(
        "2026-01-01T00:00:01.000000000Z", "p", "worker", ""
    )
    assert parse("error: container is waiting to start") is None


def test_two_different_lines_of_one_moment_are_both_heard():
    once, when = Once(), "2026-01-01T00:00:01.000000000Z"
    lines = [Line(when, "p", "c", "one"), Line(when, "p", "c", "two"), Line(when, "p", "c", "one")]
    assert [once(line) for line in lines] == [True, True, False]
