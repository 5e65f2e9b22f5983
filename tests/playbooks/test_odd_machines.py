"""`up` and `down` on machines that are full, locked, foreign or set up in some way of their own."""

from __future__ import annotations

import pytest

from tests.playbooks.conftest import pids
from tests.project import kit


def test_a_full_disk_stops_up_before_anything_starts(installed, tmp_path, request):
    disk = kit.full_disk(tmp_path / "disk", request)
    project = kit.with_environment(kit.make_project(disk / "study"), installed)
    kit.kubefuture(project, "values")
    kit.fill(disk)
    sentence = kit.one_sentence(kit.kubefuture(project, "up", status=1))
    assert "disk is full" in sentence
    assert pids(project) == set()
    (disk / "ballast").unlink()


def test_a_project_that_cannot_be_written_stops_up_before_anything_starts(study):
    kit.kubefuture(study, "values")
    with kit.unwritable(study.state) as prefix:
        done = kit.kubefuture(study, "up", status=1, prefix=prefix)
    assert kit.one_sentence(done).startswith("No permission")
    assert pids(study) == set()


def test_a_socket_folder_that_cannot_be_written_is_named(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("x")
    if len(str(folder)) > 40:
        pytest.skip("the temporary folder's path is too long for sockets")
    with kit.unwritable(folder) as prefix:
        done = kit.kubefuture(study, "up", status=1, prefix=prefix, XDG_RUNTIME_DIR=str(folder))
    assert str(folder) in kit.one_sentence(done)
    assert pids(study) == set()


@pytest.mark.parametrize("changes", [{"LANG": "", "LC_ALL": ""}, {"LC_ALL": "C"}, {"LC_ALL": "xx_YY"}])
def test_any_locale_is_fine_and_reaches_the_workers(study, changes):
    (study.folder / "job.py").write_text(
        "import kubefuture as kf, os\n"
        "print(kf.map(os.environ.get, ['LC_ALL', 'ANSIBLE_CONFIG', 'MAKELEVEL']))\n"
    )
    kit.kubefuture(study, "up", **changes)
    shown = kit.kubefuture(study, "run", "job.py", **changes).stdout
    assert f"[{changes['LC_ALL']!r}, None, None]" in shown
    kit.kubefuture(study, "down", **changes)


def test_a_very_long_path_is_fine(installed, tmp_path):
    deep = tmp_path.joinpath(*["a folder with a name that is not short at all é"] * 6)
    project = kit.with_environment(kit.make_project(deep), installed)
    assert len(str(project.folder)) > 300
    kit.kubefuture(project, "up")
    assert "2 connected" in kit.kubefuture(project, "status").stdout
    kit.kubefuture(project, "down")


def test_the_users_own_ansible_settings_do_not_apply(study, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".ansible.cfg").write_text("[defaults]\nstdout_callback = nonsense\ninventory = /nowhere\n")
    up = kit.kubefuture(study, "up", HOME=str(home), ANSIBLE_STDOUT_CALLBACK="json", ANSIBLE_STRATEGY="debug")
    assert "2 workers are up" in up.stdout
    assert [path.name for path in home.iterdir() if path.name != ".cache"] == [".ansible.cfg"]
    kit.kubefuture(study, "down", HOME=str(home))


def test_a_home_that_cannot_be_written_is_fine(study):
    kit.kubefuture(study, "up", HOME="/proc")
    kit.kubefuture(study, "down", HOME="/proc")
