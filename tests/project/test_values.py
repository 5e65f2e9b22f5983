"""values.yaml: what is wrong is one sentence with file, line, key, what was found and what is allowed."""

from __future__ import annotations

import json

import jsonschema
import pytest
from kubefuture.project import values
from kubefuture.project.errors import ProjectError

from tests.project import kit


def complaint(tmp_path, text: str | bytes) -> str:
    project = kit.make_project(tmp_path / "study")
    project.values_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ProjectError) as caught:
        values.load(project)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_defaults_fill_what_is_left_out(tmp_path):
    loaded = values.load(kit.make_project(tmp_path / "study", "# nothing but a remark\n"))
    assert (loaded.provider, loaded.count, loaded.threads, loaded.max_workers) == ("local", 2, 1, 100)
    assert loaded.env == {}
    assert loaded.pip == ()


def test_what_is_written_is_what_is_loaded(tmp_path):
    text = """\
provider: local
engine: native
workers:
  count: 3
  memory: 512Mi
  threads_per_slot: 2
  env:
    DATA: "/data/é"
packages:
  pip:
    - pandas>=2
    - "dask[array]==2025.1"
limits:
  max_workers: 3
"""
    loaded = values.load(kit.make_project(tmp_path / "study", text))
    assert (loaded.count, loaded.memory, loaded.threads) == (3, 512 << 20, 2)
    assert loaded.env == {"DATA": "/data/é"}
    assert loaded.pip == ("pandas>=2", "dask[array]==2025.1")
    assert loaded.pip_lines == (11, 12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers:\n  cout: 2\n", ["line 2", "workers.cout", "did you mean workers.count?", "memory"]),
        ("worker:\n  count: 2\n", ["line 1", "no key worker", "did you mean workers?"]),
        ("count: 2\n", ["line 1", "no key count", "did you mean workers.count?"]),
        ("max_worker: 2\n", ["line 1", "did you mean limits.max_workers?"]),
        ("surprise: 1\n", ["line 1", "no key surprise", "engine, kind, limits, packages, provider, workers"]),
        ("\nworkers:\n  count: two\n", ["line 3", "workers.count is `two`", "a whole number from 1 up"]),
        ('workers:\n  count: "2"\n', ["line 2", "workers.count is `2` in quotes", "a whole number"]),
        ("workers:\n  count: 1.5\n", ["line 2", "`1.5`", "a whole number"]),
        ("workers:\n  count: yes\n", ["line 2", "`yes` (which YAML reads as true)"]),
        ("workers:\n  count: 0\n", ["line 2", "workers.count is `0`", "without autoscaling"]),
        ("workers:\n  count: -1\n", ["line 2", "workers.count is `-1`"]),
        ("workers:\n  count:\n", ["line 2", "workers.count is empty", "a whole number"]),
        (
            "workers: 2\n",
            [
                "line 1",
                "workers is `2`",
                "count, cpus, env, env_from, gpu, memory, node_selector, spot",
            ],
        ),
        ("workers:\n  memory: 2GB\n", ["line 2", "workers.memory is `2GB`", "512Mi or 2Gi"]),
        ("workers:\n  memory: 2\n", ["line 2", "workers.memory is `2`", "512Mi or 2Gi"]),
        ("workers:\n  count: '2.5'\n", ["line 2", "`2.5` in quotes (so it is text)", "a whole number"]),
        ("workers:\n  count: 08\n", ["line 2", "workers.count is `08`; allowed is a whole number"]),
        ("workers:\n  count: 010\n", ["line 2", "`010` could be read in two ways", "reads it as 8"]),
        ("workers:\n  count: 1:30\n", ["line 2", "`1:30` could be read in two ways", "Write 90"]),
        (
            "workers:\n  env: A=1\n",
            ["line 2", "`A=1`", "indented below it, such as DATA_FOLDER: /data/survey"],
        ),
        ("workers:\n  env:\n    A:\n", ["line 3", "workers.env.A is empty", "in quotes if", "or empty"]),
        ("packages:\n  pip: {a: b}\n", ["line 2", "a group of keys", "a list, such as [pandas,"]),
        ("workers:\n  threads_per_slot: 0\n", ["line 2", "from 1 to 1024"]),
        ("workers:\n  env:\n    A: 1\n", ["line 3", "workers.env.A is `1`", "text", "in quotes"]),
        ("workers:\n  env:\n    A-B: x\n", ["line 3", "workers.env.A-B", "letters, digits and _"]),
        ("workers:\n  env:\n    KUBEFUTURE_PLAN: x\n", ["line 3", "workers.env.KUBEFUTURE_PLAN"]),
        ("provider: mars\n", ["line 1", "provider is `mars`", "allowed is local"]),
        ("engine: ray\n", ["line 1", "engine is `ray`", "allowed is native or dask"]),
        ("# here\nengine: dask\n", ["line 2", "the provider is local", "kf.plan('dask')", "packages.pip"]),
        ("packages:\n  pip: pandas\n", ["line 2", "packages.pip is `pandas`", "a list"]),
        ("packages:\n  pip:\n    - 7\n", ["line 3", "packages.pip[0] is `7`", "a package's name"]),
        ("packages:\n  pip:\n    - a\n    - -r x.txt\n", ["line 4", "packages.pip[1]", "a package's name"]),
        ("packages:\n  pip:\n    - x @ https://a.invalid/x\n", ["line 3", "a package's name"]),
        ("packages:\n  pip: [a, a]\n", ["line 2", "packages.pip names something twice"]),
        ("workers:\n  count: 9\nlimits:\n  max_workers: 8\n", ["line 2", "is 9", "8 (see line 4)"]),
        ("workers:\n  count: 101\n", ["line 2", "is 101", "limits.max_workers, 100 (its default)"]),
        ("- a\n- b\n", ["line 1", "the file is a list", "keys of its own"]),
        ("just words\n", ["line 1", "the file is `just words`"]),
        ("provider: local\nprovider: local\n", ["line 2", "provider is given again", "line 1"]),
        ("workers:\n  count: 1\n  count: 2\n", ["line 3", "workers.count is given again", "line 2"]),
        ("workers:\n  env:\n    A: '{{ lookup(1) }}'\n", ["line 3", "`{{`"]),
        ("workers:\n  env:\n    A: '{% if %}'\n", ["line 3", "`{%`"]),
        ("workers:\n  env: {'{{a}}': b}\n", ["line 2", "`{{`"]),
        ("workers: &w\n  count: 1\nlimits: *w\n", ["line 1", "refers to another part"]),
        ("workers:\n  count: 1\n memory: 1Gi\n", ["line 3", "is not YAML"]),
        ("workers:\n\tcount: 1\n", ["line 2", "tab", "spaces"]),
        ("workers: [1, 2\n", ["is not YAML"]),
        ("a: b: c\n", ["line 1", "is not YAML"]),
        ("provider: local\n---\nprovider: local\n", ["line 2", "is not YAML"]),
        ("workers: !!python/object:os.system\n", ["is not YAML"]),
        ("<<<<<<< before updating\nprovider: local\n", ["line 1", "conflict mark"]),
        ("provider: \x07\n", ["is not YAML"]),
        (b"provider: \xff\xfe\n", ["not UTF-8"]),
    ],
)
def test_wrong_values_are_one_sentence_with_line_key_found_and_allowed(tmp_path, text, words):
    sentence = complaint(tmp_path, text)
    assert sentence.startswith("values.yaml")
    for word in words:
        assert word in sentence


@pytest.mark.parametrize("count", ["3.5", "two", "yes", "'3.5'", "[2]", "{min: 1}", ""])
def test_only_a_count_that_is_too_small_is_told_why_there_is_a_smallest(tmp_path, count):
    sentence = complaint(tmp_path, f"workers:\n  count: {count}\n")
    assert sentence.endswith("; allowed is a whole number from 1 up.")


CLUSTER = "provider: existing\ncluster:\n  context: lab\n"


def test_a_cluster_without_a_registry_is_one_where_pods_install_the_packages(tmp_path):
    assert "packages.at_start: true" in complaint(tmp_path, CLUSTER)
    loaded = values.load(kit.make_project(tmp_path / "other", CLUSTER + "packages:\n  at_start: true\n"))
    assert loaded.at_start
    here = values.load(kit.make_project(tmp_path / "here", "packages:\n  at_start: true\n  apt: [zip]\n"))
    assert not here.at_start, "on this machine it changes nothing"


def test_secrets_of_a_cluster_are_for_a_cluster(tmp_path):
    sentence = complaint(tmp_path, "workers:\n  env_from: [database-login]\n")
    assert (
        "line 2: workers.env_from names secrets of a cluster" in sentence and "before `make up`" in sentence
    )
    text = CLUSTER + "  registry: example.org/x\nworkers:\n  env_from: [database-login]\n"
    loaded = values.load(kit.make_project(tmp_path / "other", text))
    assert loaded.data["workers"]["env_from"] == ["database-login"]


def test_debian_packages_cannot_be_installed_by_pods(tmp_path):
    sentence = complaint(tmp_path, CLUSTER + "packages:\n  at_start: true\n  apt: [zip]\n")
    assert "line 6: packages.apt needs an image" in sentence and "packages.at_start: false" in sentence


def test_a_missing_file_says_where_it_should_be(tmp_path):
    project = kit.make_project(tmp_path / "study")
    project.values_file.unlink()
    with pytest.raises(ProjectError, match=r"values\.yaml is missing in .*study"):
        values.load(project)


def test_a_folder_in_its_place_is_named(tmp_path):
    project = kit.make_project(tmp_path / "study")
    project.values_file.unlink()
    project.values_file.mkdir()
    with pytest.raises(ProjectError, match=r"values\.yaml is a folder"):
        values.load(project)


def test_the_first_mistake_in_the_file_is_the_one_that_is_named(tmp_path):
    assert "line 2" in complaint(tmp_path, "workers:\n  count: x\n  memory: y\nprovider: z\n")


def test_a_file_that_was_checked_is_not_checked_again_but_a_changed_one_is(tmp_path, monkeypatch):
    project = kit.make_project(tmp_path / "study")
    first = values.load(project)
    with monkeypatch.context() as patch:
        # Without a validator: only what was kept can answer.
        patch.setattr(jsonschema, "Draft202012Validator", None)
        assert values.load(project) == first
    project.values_file.write_text("workers:\n  count: 5\n")
    assert values.load(project).count == 5
    project.values_file.write_text("workers:\n  count: x\n")
    with pytest.raises(ProjectError):
        values.load(project)


def test_what_is_kept_is_private_and_may_be_damaged(tmp_path):
    project = kit.make_project(tmp_path / "study")
    first = values.load(project)
    kept = project.state / "values.json"
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("{")
    assert values.load(project) == first


@pytest.mark.parametrize("command", ["values", "run", "status", "scale", "up", "lock", "environment", "logs"])
def test_a_wrong_file_stops_every_command_before_anything_starts(tmp_path, command):
    project = kit.make_project(tmp_path / "study", "workers:\n  count: zero\n")
    arguments = {"run": ["x.py"], "scale": ["3"]}.get(command, [])
    done = kit.kubefuture(project, command, *arguments, status=1)
    assert "values.yaml, line 2: workers.count" in kit.one_sentence(done)
    assert done.stdout == ""
    assert not project.local.exists()


def test_down_works_with_a_wrong_file(tmp_path):
    project = kit.make_project(tmp_path / "study", "workers:\n  count: zero\n")
    assert "Nothing was up" in kit.kubefuture(project, "down").stdout


def schema_nodes(schema, path=()):
    for name, below in schema.get("properties", {}).items():
        yield (*path, name), below
        yield from schema_nodes(below, (*path, name))


def test_every_key_has_a_description_a_default_and_valid_examples():
    schema = json.loads((kit.ROOT / "template" / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    nodes = list(schema_nodes(schema))
    assert len(nodes) > 8
    for path, node in nodes:
        assert len(node["description"]) > 20, path
        assert node["examples"], path
        for example in [node["default"], *node["examples"]]:
            jsonschema.Draft202012Validator(node).validate(example)


def test_every_object_refuses_keys_that_it_does_not_know():
    schema = json.loads((kit.ROOT / "template" / "values.schema.json").read_text())
    for path, node in [((), schema), *schema_nodes(schema)]:
        if node.get("type") == "object":
            assert "additionalProperties" in node, path
