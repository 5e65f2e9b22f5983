"""The reference says what there is, all of it and nothing else."""

from __future__ import annotations

import re

import kubefuture
import pytest
from kubefuture import cli

from docs.generate import PAGES
from tests.docs.blocks import ROOT

REFERENCE = ROOT / "docs" / "reference"


def read(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_is_made_from_something_else_is_up_to_date(page: str) -> None:
    now = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert now == PAGES[page](), "run: .venv/bin/python -m docs.generate"


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
