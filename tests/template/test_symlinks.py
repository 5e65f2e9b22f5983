"""A checkout without symbolic links is noticed and explained, both here and in a project made from one."""

from __future__ import annotations

from tests.template import kit

# What git sees on a file system that has no symbolic links.
WITHOUT_LINKS = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.symlinks", "GIT_CONFIG_VALUE_0": "false"}


def test_the_repository_says_so_before_it_does_anything(repository, tmp_path):
    clone = tmp_path / "clone"
    kit.run("git", "clone", "--quiet", repository, clone, cwd=tmp_path, env=kit.environment(**WITHOUT_LINKS))
    assert (clone / "template" / "runtime").is_file()
    for target in ("setup", "test", "lint", "demo"):
        done = kit.make(clone, target, status=2)
        assert "error: template/runtime should be a symbolic link to a folder" in done.stderr
        assert "core.symlinks true" in done.stderr
    assert not (clone / ".venv").exists()
    assert not (clone / "build").exists()


def test_a_project_made_from_one_says_so(repository, tmp_path):
    arguments = ("copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", f"git+file://{repository}", "study")
    kit.copier(*arguments, cwd=tmp_path, env=kit.environment(**WITHOUT_LINKS))
    assert (tmp_path / "study" / "runtime").is_file()
    for target in ("doctor", "up", "run", "down"):
        done = kit.make(tmp_path / "study", target, status=2)
        assert "error: the folder runtime or playbooks is missing here, or is a text file." in done.stderr
        assert "core.symlinks true" in done.stderr
    assert not (tmp_path / "study" / ".kubefuture").exists()
