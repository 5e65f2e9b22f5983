"""What stands in the README and on the pages is tried here, so that it cannot become wrong unnoticed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.docs.blocks import ROOT, blocks, expected_prints
from tests.faults.programs import Cluster
from tests.faults.waiting import LIMIT
from tests.template import kit

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TUTORIAL = DOCS / "tutorial" / "first-project.md"
NAMED_MAPS = DOCS / "how-to" / "named-maps.md"
WITH_PYTHON = [
    page
    for page in PAGES
    if page not in (TUTORIAL, NAMED_MAPS) and any(block.language == "python" for block in blocks(page))
]
CHART = DOCS / "reference" / "chart.md"
WITH_VALUES = [
    page for page in PAGES if page != CHART and any(block.language == "yaml" for block in blocks(page))
]
SCHEMA = json.loads((ROOT / "template" / "values.schema.json").read_text(encoding="utf-8"))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_python_of_a_page_runs_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    script = "\n".join(block.text for block in blocks(page) if block.language == "python")
    (tmp_path / "page.py").write_text(script, encoding="utf-8")
    done = kit.run(sys.executable, "page.py", cwd=tmp_path, timeout=LIMIT)
    assert done.stdout.splitlines() == expected_prints(script)


def test_the_scripts_of_the_page_about_named_maps_work_one_after_the_other(tmp_path: Path) -> None:
    with Cluster(2) as cluster:
        environment = kit.environment(KUBEFUTURE_CONNECTION=str(cluster.connection))
        for block in blocks(NAMED_MAPS):
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
            done = kit.run(sys.executable, block.title, cwd=tmp_path, timeout=LIMIT, env=environment)
            assert done.stdout.splitlines() == expected_prints(block.text)


@pytest.mark.parametrize("page", WITH_VALUES, ids=name)
def test_the_settings_of_a_page_are_allowed(page: Path) -> None:
    lab_defaults = set(yaml.safe_load((ROOT / "lab.yml").read_text(encoding="utf-8")))
    for block in blocks(page):
        if block.language == "yaml":
            settings = yaml.safe_load(block.text)
            if set(settings) != lab_defaults:
                jsonschema.validate(settings, SCHEMA)


def test_pages_name_neither_this_machine_nor_unfinished_work() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        content = page.read_text(encoding="utf-8")
        for word in ("TODO", "FIXME", "/root", str(ROOT)):
            assert word not in content, f"{name(page)} holds {word}"
