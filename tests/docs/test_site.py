"""The website: built strictly, complete, and alone."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.template import kit

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the site, built as `make docs` builds it but for the place, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("site")
    command = kit.make(ROOT, "-n", "docs", "ARGS=--quiet").stdout.splitlines()[-1]
    command = command.replace(".venv/bin/python", sys.executable).replace("build/docs", str(folder))
    done = kit.run("sh", "-c", command, cwd=ROOT)
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(built: tuple[Path, str]) -> Path:
    """The built site."""
    return built[0]


def test_make_docs_is_calm(built: tuple[Path, str]) -> None:
    assert built[1] == ""


def test_the_site_builds_strictly_with_the_names_of_the_package(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")
    assert 'id="kubefuture.map"' in page
    assert 'id="kubefuture.errors.PoisonError"' in (site / "reference" / "errors.html").read_text("utf-8")


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        content = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(https?:[^\" >]+)", content)
        loaded += re.findall(r"<link[^>]* rel=\"?stylesheet\"?[^>]* href=\"?(https?:[^\" >]+)", content)
        assert loaded == [], page


def test_every_page_is_reached_from_the_menu(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        target = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert f'href="{target}"' in home or f"href={target}" in home, target


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_lead_to_files(name: str) -> None:
    content = (ROOT / name).read_text(encoding="utf-8")
    assert [target for target in LINK.findall(content) if not (ROOT / target).exists()] == []


def test_the_picture_is_a_picture_with_words_for_those_who_cannot_see_it() -> None:
    picture = ElementTree.parse(ROOT / "docs" / "images" / "data-flow.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{space}svg"
    assert len(" ".join((picture.findtext(f"{space}desc") or "").split())) > 100
