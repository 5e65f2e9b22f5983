"""Locks pin everything with hashes, name no registry, and agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [
    "requirements-dev.lock",
    "benchmarks/requirements.lock",
    "template/tools.lock",
    "template/requirements.lock",
]


def pins(lock: str) -> dict[str, set[str]]:
    """The pinned versions of each package."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pin_with_hashes_or_a_comment(lock):
    text = (ROOT / lock).read_text()
    for entry in re.sub(r"\\\n", "", text).splitlines():
        if entry.strip() and not entry.lstrip().startswith("#"):
            assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+ ", entry), entry
            assert "--hash=sha256:" in entry, entry
    assert "://" not in text


def test_the_tests_run_with_the_tools_that_projects_get():
    dev = pins("requirements-dev.lock")
    assert {
        name: versions for name, versions in pins("template/tools.lock").items() if dev.get(name) != versions
    } == {}


@pytest.mark.parametrize("lock", ["requirements-dev.lock", "benchmarks/requirements.lock"])
def test_the_development_locks_have_what_the_runtime_needs(lock):
    needs = tomllib.loads((ROOT / "runtime/pyproject.toml").read_text())["project"]["dependencies"]
    pinned = pins(lock)
    for need in map(Requirement, needs):
        versions = pinned[canonicalize_name(need.name)]
        assert all(need.specifier.contains(version) for version in versions), need
