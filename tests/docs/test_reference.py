"""The reference says what there is, all of it and nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType

import kubefuture
from kubefuture import cli

from tests.docs.blocks import ROOT

REFERENCE = ROOT / "docs" / "reference"


def read(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_values_yaml_is_up_to_date() -> None:
    generate = generator()
    schema = json.loads(generate.SCHEMA.read_text(encoding="utf-8"))
    assert read("values.md") == generate.page(schema), "run: .venv/bin/python docs/generate.py"


def test_every_make_target_of_a_project_is_on_the_page() -> None:
    makefile = (ROOT / "template" / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):.*## ", makefile, re.M)
    assert re.findall(r"^### make (.+)$", read("commands.md"), re.M) == targets


def test_every_command_is_on_the_page() -> None:
    page = read("commands.md")
    assert [command for command in cli._COMMANDS if f"`{command}`" not in page] == []


def test_every_public_name_is_on_the_page_of_python() -> None:
    documented = set(re.findall(r"^::: kubefuture\.(\w+)$", read("api.md"), re.M))
    assert documented | {"KubefutureError"} == set(kubefuture.__all__)


def test_every_environment_variable_that_users_set_is_on_the_page() -> None:
    page = read("files.md")
    source = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("api", "core")
        for path in (ROOT / "runtime" / "src" / "kubefuture" / folder).glob("*.py")
    )
    read_there = set(re.findall(r"environ\.get\(\"(\w+)\"", source))
    assert {name for name in read_there if f"`{name}`" not in page} == set()
