"""`update`: what has to be there first. What it merges is tested with the template."""

from __future__ import annotations

import subprocess

import pytest
from kubefuture.project import update

from tests.project import kit


@pytest.fixture
def study(project):
    """A project that knows its template."""
    (project.folder / ".copier-answers.yml").write_text("_commit: v1\n_src_path: /nowhere/template\n")
    return project


def git(project, *arguments: str) -> None:
    name = ("-c", "user.name=A Tester", "-c", "user.email=tester@invalid")
    subprocess.run(["git", *name, *arguments], cwd=project.folder, check=True, capture_output=True)


def refused(project, **changes: str) -> str:
    return kit.one_sentence(kit.kubefuture(project, "update", status=1, **changes))


def test_the_template_has_to_be_known(project):
    assert ".copier-answers.yml is missing" in refused(project)


def test_git_has_to_be_installed(study, tmp_path):
    assert "git is missing" in refused(study, PATH=str(tmp_path))


def test_a_repository_is_needed(study):
    assert "git init" in refused(study, GIT_CEILING_DIRECTORIES=str(study.folder.parent))


def test_a_commit_is_needed_to_go_back_to(study):
    git(study, "init", "--quiet")
    assert "no commit yet" in refused(study)


def test_changes_that_are_not_committed_are_listed(study):
    git(study, "init", "--quiet")
    (study.folder / ".gitignore").write_text(".kubefuture/\n")
    git(study, "add", ".")
    git(study, "commit", "--quiet", "--message", "Start")
    study.values_file.write_text("workers:\n  count: 1\n")
    (study.folder / "é new.py").write_text("")
    sentence = refused(study)
    assert "values.yaml" in sentence
    assert "é new.py" in sentence


def test_a_template_that_is_gone_is_said_to_be_the_reason(study):
    git(study, "init", "--quiet")
    (study.folder / ".gitignore").write_text(".kubefuture/\n")
    git(study, "add", ".")
    git(study, "commit", "--quiet", "--message", "Start")
    sentence = refused(study)
    assert "could not be merged (nothing was changed): Local template must be a directory." in sentence
    assert ".copier-answers.yml" in sentence
    assert "Traceback" in (study.state / "logs" / "copier.log").read_text()


def test_gits_own_reason_is_the_one_that_is_given():
    said = (
        b"Traceback:\n"
        b"plumbum.commands.processes.ProcessExecutionError: Unexpected exit code: 128\n"
        b"Stderr:       | fatal: '/x' is no repository\n"
        b"              | \n"
    )
    assert update._reason(said) == "'/x' is no repository."
