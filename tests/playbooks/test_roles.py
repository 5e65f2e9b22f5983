"""The playbooks' own shape."""

from __future__ import annotations

import json

import yaml

from tests.project import kit

PLAYBOOKS = kit.ROOT / "playbooks"
STEPS = {"preflight", "create", "image", "delete", "leftovers"}


def tasks(path):
    for task in yaml.safe_load(path.read_text()):
        yield task
        for below in ("block", "always", "rescue"):
            yield from task.get(below, [])


def test_every_provider_is_a_role_with_the_same_task_files():
    schema = json.loads((kit.ROOT / "template" / "values.schema.json").read_text())
    for provider in schema["properties"]["provider"]["enum"]:
        folder = PLAYBOOKS / "roles" / provider / "tasks"
        assert {path.stem for path in folder.glob("*.yml")} == STEPS


def test_every_task_and_play_has_a_name_that_reads_as_a_sentence():
    files = [*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("roles/*/tasks/*.yml")]
    assert len(files) > 10
    for path in files:
        for task in tasks(path):
            assert task["name"][0].isupper(), path
            assert " " in task["name"], path


def test_no_play_gathers_facts():
    for path in PLAYBOOKS.glob("*.yml"):
        for play in yaml.safe_load(path.read_text()):
            if "hosts" in play:
                assert play["gather_facts"] is False, path
                assert play["connection"] == "local", path
