"""A registry that shows nothing stops neither `make doctor` nor `make up`; `make down` names what it cannot tell."""

from __future__ import annotations

import dataclasses

import pytest
from kubefuture.kube import checks, ending, foreseen_end, leftovers, record
from kubefuture.kube.existing import Existing
from kubefuture.project import values
from kubefuture.project.changes import Change
from kubefuture.project.proof import Proof

from tests.kube.fake_registry import DIGEST, PAGE, STUDY, VERSION
from tests.project import kit

VALUES = """\
provider: existing
cluster:
  context: lab
  registry: {registry}
"""


def project_in(tmp_path, registry):
    folder = tmp_path / registry.replace("/", "-") / "study"
    return kit.make_project(folder, VALUES.format(registry=registry))


def doctor(tmp_path, registry):
    """What `make doctor` says of the registry."""
    project = project_in(tmp_path, registry)
    wanted = values.load(project, keep=False)
    place = Existing().place(project, wanted)
    return checks.caught(lambda: checks._registry(project, wanted, place))


def recorded(tmp_path, registry, *images):
    project = project_in(tmp_path, registry)
    place = Existing().place(project, values.load(project, keep=False))
    return project, dataclasses.replace(record.draft(place), images=images)


def test_a_registry_that_answers_is_fine(server, tmp_path):
    found = doctor(tmp_path, f"{server.host}/ann")
    assert found.state == "ok" and "pushes it there" in found.words
    server.images["bob/kubefuture-study:none"] = DIGEST
    found = doctor(tmp_path, f"{server.host}/bob")
    assert found.state == "ok" and "has the image already" in found.words


@pytest.mark.parametrize("code", [401, 403, 429, 503])
def test_a_repository_that_is_not_shown_before_its_first_push_is_only_a_note(server, tmp_path, code):
    server.answers["HEAD", "/v2/ann/kubefuture-study/manifests/none"] = (code, VERSION)
    found = doctor(tmp_path, f"{server.host}/ann")
    assert found.state == "note"
    assert f"HTTP {code}" in found.words and "`make up` pushes the image to it all the same" in found.words


def test_docker_hub_without_a_login_is_only_a_note(server, known, tmp_path):
    known("registry-1.docker.io")
    known("auth.docker.io")
    server.wants, server.realm = "bearer", "https://auth.docker.io/token"
    found = doctor(tmp_path, "docker.io/ann")
    assert found.state == "note" and "docker login docker.io" in found.words


def test_a_certificate_that_only_an_engine_trusts_is_only_a_note(known, tmp_path):
    known("registry.example.org", trusted=False)
    found = doctor(tmp_path, "registry.example.org/ann")
    assert found.state == "note" and "SSL_CERT_FILE" in found.words and "will tell" in found.words


def test_a_registry_that_nobody_answers_for_and_what_is_no_registry_are_in_the_way(server, tmp_path):
    found = doctor(tmp_path, "127.0.0.1:9/ann")
    assert found.state == "stop" and "cannot be reached" in found.words
    server.headers = {}
    server.answers["GET", "/v2/"] = (200, PAGE)
    found = doctor(tmp_path, f"{server.host}/ann")
    assert found.state == "stop" and "is no registry" in found.words


def test_an_image_of_which_nothing_can_be_told_is_pushed_and_so_recorded_as_ours(server):
    name = f"{server.host}/{STUDY}"
    assert Existing().is_shared(name)
    server.wants = "basic"
    assert not Existing().is_shared(name)
    assert not Existing().is_shared("127.0.0.1:9/ann/study:1")


def test_check_mode_says_what_it_cannot_tell(server, tmp_path):
    project, one = recorded(tmp_path, f"{server.host}/ann")
    name, other = f"{server.host}/{STUDY}", f"{server.host}/ann/study:2"
    assert Existing().would_deliver(project, one, name) == ""
    assert Existing().would_deliver(project, one, other) == f"would build the image {other}, and push it"
    server.wants = "basic"
    words = f"would build the image {name}, and push it, unless its registry has it, which cannot be told"
    assert Existing().would_deliver(project, one, name) == words


def test_an_image_that_stays_on_docker_hub_is_left_and_never_called_deleted(
    server, known, tmp_path, monkeypatch
):
    known("registry-1.docker.io")
    image, said = f"docker.io/{STUDY}", []
    project, one = recorded(tmp_path, "docker.io/ann", image, "docker.io/ann/study:2")
    monkeypatch.setattr(foreseen_end.namespace, "look_at", lambda place: None)
    assert list(foreseen_end.changes(project, one)) == [
        f"The image {image} would stay: its registry deletes none on request."
    ]
    ending._delete_images(one, said.append)
    assert said == []
    proof = Proof()
    leftovers._images(one, proof)
    assert proof.left == [f"image {image} (its registry did not delete it; do it on the registry's page)"]
    assert proof.unchecked == []


def test_an_image_is_deleted_where_that_is_possible_and_named_where_it_cannot_be_told(
    server, tmp_path, monkeypatch
):
    image = f"{server.host}/{STUDY}"
    project, one = recorded(tmp_path, f"{server.host}/ann", image)
    monkeypatch.setattr(foreseen_end.namespace, "look_at", lambda place: None)
    assert list(foreseen_end.changes(project, one)) == [
        Change("the image", f"would delete the image {image} from its registry")
    ]
    server.answers["HEAD", "/v2/ann/study/manifests/1"] = (302, {"Location": "http://127.0.0.1:9/login"})
    said, proof = [], Proof()
    ending._delete_images(one, said.append)
    leftovers._images(one, proof)
    assert said == proof.left == []
    assert proof.unchecked[0].startswith(f"image {image}: ") and "cannot be told" in proof.unchecked[0]
    server.answers.clear()
    ending._delete_images(one, said.append)
    proof = Proof()
    leftovers._images(one, proof)
    assert [str(words) for words in said] == [f"The image {image} is deleted from its registry."]
    assert proof.left == proof.unchecked == []
