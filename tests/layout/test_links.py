"""The folders that the template shares are links, and stay inside the repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = {f"template/{name}": name for name in ("runtime", "playbooks", "chart", "docker")}


def links() -> dict[str, Path]:
    """Every symbolic link below template/, without following any."""
    found = {}
    for folder, folders, files in os.walk(ROOT / "template"):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink():
                found[path.relative_to(ROOT).as_posix()] = path
    return found


def test_exactly_the_shared_folders_are_links():
    assert {name: path.resolve().relative_to(ROOT).as_posix() for name, path in links().items()} == SHARED


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_folder_is_a_relative_link_that_stays_inside(name):
    path = ROOT / name
    assert path.is_symlink()
    assert not os.path.isabs(os.readlink(path))
    assert path.resolve().is_relative_to(ROOT)
    assert path.resolve().is_dir()
    # A link to a folder above itself would be rendered without end.
    assert not path.is_relative_to(path.resolve())


def test_git_keeps_them_as_links():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--stage", *SHARED], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert sorted((line.split()[0], line.split("\t")[1]) for line in listed.splitlines()) == sorted(
        ("120000", name) for name in SHARED
    )
