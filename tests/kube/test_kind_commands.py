"""`up`, `down` and `doctor` with the provider kind, as a user calls them, as far as no pods are needed."""

from __future__ import annotations

from tests.kube.conftest import CLUSTER, KindLab
from tests.project import kit


def records(kind):
    return list(kind.project.records.glob("*.yaml"))


def test_down_proves_that_nothing_is_left(kind):
    kind.up()
    kind.image()
    said = kit.kubefuture(kind.project, "down").stdout
    assert "Everything is down. Nothing is left." in said
    for words in (
        "containers of the cluster",
        "kind's list",
        "volumes",
        "image localhost/kubefuture-study:1",
    ):
        assert f"looked at {words}" in said
    assert kind.ids() == [] and records(kind) == []
    assert "Nothing was up" in kit.kubefuture(kind.project, "down").stdout


def test_down_names_what_is_left_and_keeps_the_record(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["fault"] = "stuck"
    done = kit.kubefuture(kind.project, "down", status=3)
    assert f"left: container {CLUSTER}-control-plane (running)" in done.stderr and "(code 3)" in done.stderr
    assert records(kind)
    with kind.fake.change() as docker:
        docker["fault"] = ""
    assert "Nothing is left" in kit.kubefuture(kind.project, "down").stdout


def test_down_says_that_it_cannot_tell_and_keeps_the_record(kind):
    kind.up()
    with kind.fake.change() as docker:
        docker["away"] = True
    done = kit.kubefuture(kind.project, "down", status=4)
    assert "docker does not answer" in done.stderr and "(code 4)" in done.stderr
    assert records(kind)


def test_down_from_a_fresh_checkout_whose_values_are_about_something_else(kind, tmp_path):
    kind.up()
    fresh = KindLab(tmp_path / "fresh", kind.fake).project
    text = fresh.values_file.read_text().replace("provider: kind", "provider: local")
    fresh.values_file.write_text(text)
    command = ("down", "--provider", "kind", "--project")
    sentence = kit.one_sentence(kit.kubefuture(fresh, *command, "nobody", status=4))
    assert "nothing of a project nobody" in sentence
    assert "Nothing is left" in kit.kubefuture(fresh, *command, "study").stdout
    assert kind.ids() == []


def test_up_that_fails_before_anything_is_made_leaves_no_record(kind):
    with kind.fake.change() as docker:
        docker["fault"] = "pull"
    done = kit.kubefuture(kind.project, "up", status=1)
    assert "nodes' image could not be fetched" in kit.one_sentence(done)
    assert records(kind) == []


def test_doctor_says_a_line_each(kind):
    said = kit.kubefuture(kind.project, "doctor").stdout
    assert "kind is 0.33.0." in said and f"The cluster {CLUSTER} can be made." in said
    assert "Next: make up" in said
    with kind.fake.change() as docker:
        docker["away"] = True
    # This machine may have a real podman, which would do as well.
    told = {"KIND_EXPERIMENTAL_PROVIDER": "docker"}
    said = kit.kubefuture(kind.project, "doctor", status=1, **told).stdout
    assert "STOP  kind has nothing to make nodes with: docker is here but does not work" in said
