"""requirements.lock: compiled when it has to be, whole or not at all. Needs a package registry."""

from __future__ import annotations

import argparse
import re

import pytest
from kubefuture.cli import environment
from kubefuture.project import lock, uv, values
from kubefuture.project.errors import ProjectError

from tests.project import kit

MISSING = "kubefuture-has-no-such-package"


def with_pip(project, *requirements: str):
    lines = "".join(f'    - "{requirement}"\n' for requirement in requirements)
    project.values_file.write_text(f"packages:\n  pip:\n{lines}")
    return project


def is_current(project) -> bool:
    return lock.is_current(project, lock.inputs(project, values.load(project)))


def test_it_has_hashes_the_runtimes_needs_and_no_address(installed):
    text = installed.lock_file.read_text()
    for name in ("cloudpickle", "msgspec", "numpy", "threadpoolctl", "tqdm"):
        assert re.search(rf"^{name}==.*\\$", text, re.MULTILINE)
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert str(installed.folder) not in text
    assert is_current(installed)


def test_it_is_out_of_date_when_packages_change_but_not_when_they_are_ordered_anew(ready_project):
    with_pip(ready_project, "msgspec", "tqdm")
    assert not is_current(ready_project)
    kit.kubefuture(ready_project, "lock")
    assert is_current(ready_project)
    with_pip(ready_project, "tqdm", "msgspec")
    assert is_current(ready_project)
    before = ready_project.lock_file.stat().st_mtime_ns
    assert kit.kubefuture(ready_project, "lock", "--if-needed").stdout == ""
    assert ready_project.lock_file.stat().st_mtime_ns == before


def test_with_the_engine_dask_it_has_dasks_package_and_otherwise_not(tmp_path):
    cluster = "provider: existing\ncluster: {context: lab, registry: registry.example.org}\n"
    project = kit.make_project(tmp_path / "study", cluster)
    native = lock.inputs(project, values.load(project))
    project.values_file.write_text(cluster + "engine: dask\n")
    dask = lock.inputs(project, values.load(project))
    (more,) = set(dask.runtime) - set(native.runtime)
    assert more.startswith("distributed") and set(native.runtime) < set(dask.runtime)
    assert dask.digest != native.digest


def test_compiling_again_keeps_versions_that_still_fit(ready_project):
    older = re.sub(r"^tqdm==\S+", "tqdm==4.66.5", ready_project.lock_file.read_text(), flags=re.MULTILINE)
    ready_project.lock_file.write_text(older)
    kit.kubefuture(with_pip(ready_project, "msgspec"), "lock")
    assert "\ntqdm==4.66.5 " in ready_project.lock_file.read_text()
    kit.kubefuture(ready_project, "lock", "--upgrade")
    assert "\ntqdm==4.66.5 " not in ready_project.lock_file.read_text()


def test_a_package_that_does_not_exist_is_named_on_any_terminal_and_nothing_changes(ready_project):
    before = ready_project.lock_file.read_bytes()
    with_pip(ready_project, "tqdm", f"{MISSING}>=2")
    for command in ("lock", "environment"):
        sentence = kit.one_sentence(kit.kubefuture(ready_project, command, status=1, COLUMNS="40"))
        assert sentence.startswith(f"values.yaml, line 4: packages.pip names {MISSING}>=2")
        assert "unchanged" in sentence
    assert ready_project.lock_file.read_bytes() == before
    assert ready_project.venv_python.exists()
    assert sorted(path.name for path in ready_project.state.iterdir()) == ["lock", "logs", "values.json"]


def test_versions_that_cannot_be_installed_are_named_and_do_not_stay_in_the_lock(ready_project, monkeypatch):
    """Else the next lock would keep them, whatever values.yaml says then."""
    ready_project.values_file.write_text("packages:\n  pip: [iniconfig<2]\n")
    before = ready_project.lock_file.read_bytes()
    said = "Failed to build `iniconfig==1.1.1`: The build backend returned an error"

    def refresh(project, before_swap):
        assert b"iniconfig==1" in project.lock_file.read_bytes()
        raise uv.UvError(f"The packages could not be installed: {said}.", (), said)

    monkeypatch.setattr(environment.environment, "refresh", refresh)
    wanted = (
        r"line 2: packages\.pip names iniconfig<2, .* cannot be installed\. .*requirements\.lock is as it was"
    )
    with pytest.raises(ProjectError, match=wanted):
        environment.run(ready_project, argparse.Namespace(check=False))
    assert ready_project.lock_file.read_bytes() == before


def test_a_version_that_does_not_exist_is_named(ready_project):
    with_pip(ready_project, "tqdm>=9999")
    sentence = kit.one_sentence(kit.kubefuture(ready_project, "lock", status=1))
    assert "values.yaml, line 3: packages.pip names tqdm>=9999" in sentence
    assert ".kubefuture/logs/uv.log" in sentence
    assert "tqdm" in (ready_project.state / "logs" / "uv.log").read_text()


def test_a_requirement_that_cannot_be_read_is_named(ready_project):
    with_pip(ready_project, "tqdm=>4")
    sentence = kit.one_sentence(kit.kubefuture(ready_project, "lock", status=1))
    assert "tqdm=>4" in sentence


def test_no_network_is_said_to_be_the_reason(ready_project, tmp_path):
    with_pip(ready_project, "tqdm", "packaging")
    nowhere = "http://127.0.0.1:9"
    changes = {"HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere, "UV_HTTP_RETRIES": "0"}
    done = kit.kubefuture(ready_project, "lock", status=1, UV_CACHE_DIR=str(tmp_path / "cache"), **changes)
    assert "Is this machine online?" in kit.one_sentence(done)


def test_a_full_disk_is_named_and_the_old_lock_stays(installed, tmp_path, request):
    disk = kit.full_disk(tmp_path / "disk", request)
    project = kit.with_environment(kit.make_project(disk / "study"), installed)
    kit.kubefuture(project, "values")
    before = project.lock_file.read_bytes()
    kit.fill(disk)
    sentence = kit.one_sentence(kit.kubefuture(project, "lock", status=1))
    assert "disk is full" in sentence
    assert project.lock_file.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(ready_project):
    kit.kubefuture(ready_project, "values")
    with kit.unwritable(ready_project.folder), kit.unwritable(ready_project.state) as prefix:
        done = kit.kubefuture(ready_project, "lock", status=1, prefix=prefix)
    sentence = kit.one_sentence(done)
    assert sentence.startswith("No permission")
    assert str(ready_project.state) in sentence


@pytest.mark.parametrize(
    ("requirement", "name"),
    [("Scikit_Learn>=1", "scikit-learn"), ("dask[array] ; x", "dask"), (" a.b-c==1", "a-b-c"), ("", "")],
)
def test_names_are_compared_as_registries_do(requirement, name):
    assert lock.package_name(requirement) == name
