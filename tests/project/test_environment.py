""".venv: what the lock says, made when it has to be, and never half. Needs a package registry."""

from __future__ import annotations

import json
import shutil
import subprocess

from kubefuture.project import environment

from tests.project import kit


def installed_packages(project) -> dict[str, str]:
    code = (
        "import json, importlib.metadata as metadata\n"
        "print(json.dumps({found.name: found.version for found in metadata.distributions()}))"
    )
    return json.loads(subprocess.check_output([project.venv_python, "-I", "-c", code]))


def own_environment(project, installed):
    """Gives a project an environment of its own to change."""
    project.lock_file.write_bytes(installed.lock_file.read_bytes())
    shutil.copytree(installed.venv, project.venv, symlinks=True)
    assert environment.outdated(project) == ""
    return project


def test_it_has_the_locks_packages_and_the_projects_runtime(installed):
    packages = installed_packages(installed)
    assert {"cloudpickle", "msgspec", "numpy", "threadpoolctl", "tqdm"} <= set(packages)
    code = "import kubefuture; print(kubefuture.__file__)"
    shown = subprocess.check_output([installed.venv_python, "-I", "-c", code], text=True)
    assert shown.startswith(str(installed.folder / "runtime"))


def test_one_that_is_current_is_left_alone_quickly(installed):
    before = installed.venv.stat().st_mtime_ns
    assert kit.kubefuture(installed, "environment").stdout == ""
    assert installed.venv.stat().st_mtime_ns == before


def test_it_moves_with_its_project(installed, tmp_path):
    project = own_environment(kit.make_project(tmp_path / "here"), installed)
    project.folder.rename(tmp_path / "there é")
    there = tmp_path / "there é"
    code = "import kubefuture, numpy; print(kubefuture.__file__)"
    shown = subprocess.check_output([there / ".venv/bin/python", "-I", "-c", code], text=True)
    assert shown.startswith(str(there))


def test_it_follows_the_lock_when_packages_come_and_go(project, installed):
    own_environment(project, installed)
    project.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    done = kit.kubefuture(project, "environment")
    assert "the packages changed" in done.stdout
    assert "iniconfig" in installed_packages(project)
    project.values_file.write_text(kit.VALUES)
    kit.kubefuture(project, "environment")
    assert "iniconfig" not in installed_packages(project)
    assert not list(project.folder.glob(".venv.*"))


def test_it_is_made_anew_when_its_python_is_gone_or_another(project, installed):
    own_environment(project, installed)
    config = project.venv / "pyvenv.cfg"
    config.write_text(config.read_text().replace("version_info = 3.", "version_info = 2."))
    assert "it has Python 2." in kit.kubefuture(project, "environment").stdout
    project.venv_python.unlink()
    project.venv_python.symlink_to("/nowhere/python")
    assert "its Python is gone" in kit.kubefuture(project, "environment").stdout
    assert installed_packages(project)
    assert kit.kubefuture(project, "environment").stdout == ""


def test_what_was_left_half_made_is_cleared_away(project, installed):
    own_environment(project, installed)
    (project.venv / environment.STAMP).write_text("of another lock\n")
    (project.folder / ".venv.new" / "lib").mkdir(parents=True)
    (project.folder / ".venv.old").mkdir()
    kit.kubefuture(project, "environment")
    assert not list(project.folder.glob(".venv.*"))
    assert installed_packages(project)


def test_somebody_elses_environment_is_left_alone(project, installed):
    project.lock_file.write_bytes(installed.lock_file.read_bytes())
    (project.venv / "bin").mkdir(parents=True)
    (project.venv / "bin" / "precious").write_text("mine")
    sentence = kit.one_sentence(kit.kubefuture(project, "environment", status=1))
    assert "was not made by `make up`" in sentence
    assert (project.venv / "bin" / "precious").read_text() == "mine"


def test_a_download_that_is_not_what_the_lock_says_changes_nothing(project, installed, tmp_path):
    own_environment(project, installed)
    text = project.lock_file.read_text()
    digest = text.index("--hash=sha256:", text.index("\ntqdm==")) + len("--hash=sha256:")
    end = text.index("\nthreadpoolctl", 0) if "\nthreadpoolctl" in text[digest:] else len(text)
    block = text[digest - 40 : end]
    project.lock_file.write_text(text.replace(block, flip(block)))
    # With a cache of its own: uv would not fetch again what it knows.
    done = kit.kubefuture(project, "environment", status=1, UV_CACHE_DIR=str(tmp_path / "cache"))
    sentence = kit.one_sentence(done)
    assert "tqdm" in sentence
    assert "unchanged" in sentence
    assert "tqdm" in installed_packages(project)
    assert not list(project.folder.glob(".venv.*"))


def flip(text: str) -> str:
    """Every hash in a text with its first digit changed."""
    pieces = text.split("--hash=sha256:")
    return "--hash=sha256:".join([pieces[0], *(("1" if p[0] == "0" else "0") + p[1:] for p in pieces[1:])])


def test_a_full_disk_is_named_and_the_old_environment_can_be_used(installed, tmp_path, request):
    disk = kit.full_disk(tmp_path / "disk", request, size="2m")
    project = kit.with_environment(kit.make_project(disk / "study"), installed)
    project.values_file.write_text("packages:\n  pip: [iniconfig]\n")
    kit.kubefuture(project, "lock")
    kit.fill(disk)
    sentence = kit.one_sentence(kit.kubefuture(project, "environment", status=1))
    assert "disk is full" in sentence
    assert installed_packages(project) == installed_packages(installed)
    assert not list(project.folder.glob(".venv.*"))
