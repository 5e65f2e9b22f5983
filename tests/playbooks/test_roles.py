"""The playbooks' own shape, and that what is written about roles is so. The roles are those in the folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml

from tests.project import kit

PLAYBOOKS = kit.ROOT / "playbooks"
ROLES = sorted(path for path in (PLAYBOOKS / "roles").iterdir() if path.is_dir())
PROVIDERS = json.loads((kit.ROOT / "template" / "values.schema.json").read_text())["properties"]["provider"][
    "enum"
]
STEPS = {"preflight", "create", "image", "start", "connect", "delete", "leftovers"}

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def tasks(path):
    for task in yaml.safe_load(path.read_text()):
        yield task
        for below in ("block", "always", "rescue"):
            yield from task.get(below, [])


def table(page, *head):
    """The cells of the table with this head, row by row, without their backquotes; none if there is no such table."""
    lines = page.read_text().splitlines()
    line = f"| {' | '.join(head)} |"
    if line not in lines:
        return []
    rows = []
    for row in lines[lines.index(line) + 2 :]:
        if not row.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in row.strip("| ").split(" | ")])
    return rows


def defaults(role):
    path = role / "defaults" / "main.yml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def calls():
    """What the roles' tasks call: the arguments of each command, in the environment of which Python."""
    for path in PLAYBOOKS.glob("roles/*/tasks/*.yml"):
        for task in tasks(path):
            if "kubefuture" in task:
                yield path, task["kubefuture"]


def test_every_provider_is_a_role_with_the_same_task_files():
    assert PROVIDERS
    for provider in PROVIDERS:
        folder = PLAYBOOKS / "roles" / provider / "tasks"
        assert {path.stem for path in folder.glob("*.yml")} == STEPS


def test_the_steps_are_those_that_the_playbooks_play():
    played = {
        task["ansible.builtin.include_role"]["tasks_from"]
        for path in PLAYBOOKS.glob("*.yml")
        for play in yaml.safe_load(path.read_text())
        for block in play.get("tasks", [])
        for task in [block, *block.get("block", []), *block.get("always", [])]
        if "ansible.builtin.include_role" in task
    }
    assert played == STEPS


def test_the_roles_page_names_every_role_and_which_are_providers():
    rows = table(PLAYBOOKS / "roles" / "README.md", "role", "what it is")
    assert {name for name, _ in rows} == {f"[{role.name}]({role.name}/README.md)" for role in ROLES}
    providers = {name.split("]")[0].strip("[") for name, what in rows if what.startswith("a provider:")}
    assert providers == set(PROVIDERS)


@each_role
def test_a_roles_page_lists_its_task_files(role):
    rows = table(role / "README.md", "file", "what it does")
    assert sorted(name for name, _ in rows) == sorted(path.stem for path in role.glob("tasks/*.yml"))


@each_role
def test_a_roles_page_says_the_defaults_that_it_has(role):
    rows = table(role / "README.md", "variable", "default", "what it is")
    assert {name: yaml.safe_load(value) for name, value, _ in rows} == defaults(role)
    assert ("It has none of its own." in (role / "README.md").read_text()) is (not rows)


@each_role
def test_a_roles_variables_bear_its_name(role):
    assert all(name.startswith(f"{role.name}_") for name in defaults(role))


@each_role
def test_a_role_uses_only_its_own_variables_and_what_all_are_told(role):
    told = {name for name, _ in table(PLAYBOOKS / "roles" / "README.md", "variable", "what it is")}
    for path in role.glob("tasks/*.yml"):
        text = path.read_text()
        used = {*re.findall(r"{{ *(\w+)", text), *re.findall(r"python: (\w+)", text)}
        assert used <= told | set(defaults(role)), path


def test_every_command_that_is_called_can_be_checked():
    """In check mode `--check` is added; a command that did not know it would stop `make up CHECK=1`."""
    for path, call in calls():
        arguments = [re.sub("{{.*}}", "1", str(one)) for one in call["arguments"]]
        if path.stem == "leftovers":
            continue  # not looked for in check mode
        done = subprocess.run(
            [sys.executable, "-c", PARSE, *arguments, "--check"], capture_output=True, text=True, check=False
        )
        assert done.stdout == "True\n", (path, arguments, done.stderr)


PARSE = """
import argparse, importlib, sys
parser = argparse.ArgumentParser()
importlib.import_module(f"kubefuture.cli.{sys.argv[1]}").add_arguments(parser)
print(parser.parse_args(sys.argv[2:]).check)
"""


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
