"""`make update` brings in what changed in the template, and never loses what the user wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.template import kit


@pytest.fixture
def study(project: Path, own_repository: Path, tmp_path: Path) -> Path:
    """A project in git, with tools, from a repository that a test may change."""
    folder = kit.render(own_repository, tmp_path / "study")
    shutil.copytree(project / ".kubefuture" / "tools", folder / ".kubefuture" / "tools", symlinks=True)
    kit.commit(folder, "Start")
    return folder


def replace(path: Path, old: str, new: str) -> None:
    """Replaces a text that is there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_update_brings_changes_and_keeps_what_is_the_users(study, own_repository):
    # The template goes on: a file changes, one appears, one goes, and the example is rewritten.
    playbook = sorted((own_repository / "playbooks").glob("*.yml"))[0].relative_to(own_repository)
    with open(own_repository / playbook, "a") as file:
        file.write("# a fix in the playbooks\n")
    with open(own_repository / "runtime/src/kubefuture/errors.py", "a") as file:
        file.write("# a fix in the runtime\n")
    (own_repository / "runtime/src/kubefuture/brand_new.py").write_text('"""New."""\n')
    (own_repository / "template/analysis/means.py").write_text("print('the template rewrote the example')\n")
    kit.commit(own_repository, "Go on")
    # The user did, too.
    replace(study / "values.yaml", "count: 2", "count: 3")
    replace(study / "values.yaml", "    - matplotlib\n", "    - matplotlib\n    - tabulate\n")
    (study / "analysis" / "mine.py").write_text("print('mine')\n")
    with open(study / "analysis" / "means.py", "a") as file:
        file.write("# my remark\n")
    kit.commit(study, "My work")
    mine = (study / "analysis" / "means.py").read_text()

    kit.make(study, "update")

    assert (study / playbook).read_text().endswith("# a fix in the playbooks\n")
    assert (study / "runtime/src/kubefuture/errors.py").read_text().endswith("# a fix in the runtime\n")
    assert (study / "runtime/src/kubefuture/brand_new.py").exists()
    assert "count: 3" in (study / "values.yaml").read_text()
    assert "- tabulate" in (study / "values.yaml").read_text()
    assert (study / "analysis" / "means.py").read_text() == mine
    assert (study / "analysis" / "mine.py").exists()


def test_an_updated_project_is_like_a_new_one(study, own_repository, tmp_path):
    (own_repository / "runtime/src/kubefuture/worker/slot.py").unlink()
    (own_repository / "playbooks" / "more").mkdir()
    (own_repository / "playbooks" / "more" / "tasks.yml").write_text("---\n[]\n")
    kit.commit(own_repository, "Go on")
    kit.make(study, "update")
    fresh = kit.render(own_repository, tmp_path / "fresh" / "study")
    assert tracked_files(study) == tracked_files(fresh)


def test_an_update_that_conflicts_fails_and_names_the_files(study, own_repository):
    replace(own_repository / "template/values.yaml.jinja", "memory: {{ memory }}", "memory: 4Gi")
    with open(own_repository / "template/pyproject.toml", "a") as file:
        file.write("# theirs\n")
    kit.commit(own_repository, "Go on")
    replace(study / "values.yaml", "memory: 2Gi", "memory: 8Gi")
    kit.commit(study, "My work")

    done = kit.make(study, "update", status=2)

    said = done.stdout + done.stderr
    assert "values.yaml" in said
    assert "Traceback" not in said
    assert (study / "pyproject.toml").read_text().endswith("# theirs\n")
    merged = (study / "values.yaml").read_text()
    assert "<<<<<<<" in merged
    assert "memory: 8Gi" in merged
    assert "memory: 4Gi" in merged


def test_an_update_without_git_says_what_to_do(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "study", symlinks=True)
    done = kit.make(folder, "update", status=2)
    assert "git init" in done.stdout + done.stderr


def test_an_update_with_uncommitted_changes_says_what_to_do(study):
    replace(study / "values.yaml", "count: 2", "count: 3")
    done = kit.make(study, "update", status=2)
    assert "commit" in done.stdout + done.stderr
    assert "count: 3" in (study / "values.yaml").read_text()


def tracked_files(folder: Path) -> dict[str, bytes]:
    """The project's own files and what is in them, but for the record of where it came from."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    named = {path.relative_to(folder).as_posix(): path for path in files}
    skipped = (".git/", ".kubefuture/", ".venv/", ".copier-answers.yml")
    return {name: path.read_bytes() for name, path in named.items() if not name.startswith(skipped)}
