"""`make demo` ends with nothing running, also when its run fails, and its exit status says which it was."""

from __future__ import annotations

import shutil

import pytest

from tests.template import kit


@pytest.fixture
def checkout(repository, tmp_path):
    """A checkout in which the demo is made; taken down at the end whatever happened."""
    kit.git(tmp_path, "clone", "--quiet", str(repository), "checkout")
    yield tmp_path / "checkout"
    if (tmp_path / "checkout" / "build" / "demo" / "Makefile").exists():
        kit.make(tmp_path / "checkout" / "build" / "demo", "down", status=None)


def test_the_demo_can_be_repeated_and_keeps_the_status_of_a_run_that_failed(checkout):
    # Not committed, and in the demo all the same.
    with open(checkout / "template" / "README.md.jinja", "a") as file:
        file.write("\nA draft.\n")
    said = kit.make(checkout, "demo", "ARGS=--elements 3 --draws 1000").stdout
    demo = checkout / "build" / "demo"
    assert "Elements: 3, each the mean of 1,000 draws" in said
    times = said.split("Where the time went: ")[1].splitlines()[0]
    assert [step.split()[0] for step in times.split(", ")] == ["setup", "scaffold", "up", "run", "down"]
    assert (demo / "README.md").read_text().endswith("A draft.\n")
    assert (demo / "outputs" / "means.csv").exists()
    assert not (demo / ".kubefuture" / "connection.json").exists()

    # It needs no git repository either: people also download archives.
    shutil.rmtree(checkout / ".git")
    done = kit.make(checkout, "demo", "ARGS=--elements none", status=2)
    assert "invalid count value: 'none'" in done.stderr
    assert "== down ==" in done.stdout
    assert not (demo / "outputs" / "means.csv").exists()
    assert not (demo / ".kubefuture" / "connection.json").exists()
