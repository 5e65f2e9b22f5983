"""The folder for sockets (R33): private, short, and one for each project."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from kubefuture.core import runtime_dir
from kubefuture.core.runtime_dir import make_socket_folder, socket_folder
from kubefuture.errors import StartError


@pytest.fixture
def base(monkeypatch, tmp_path_factory) -> Path:
    """A short, private XDG_RUNTIME_DIR."""
    folder = Path("/tmp") / f"kf-{os.getpid()}"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for inner in folder.iterdir():
        inner.rmdir()
    folder.rmdir()


def test_R33_it_is_made_private_and_a_second_time_is_fine(base, tmp_path):
    folder = make_socket_folder(tmp_path)
    assert folder.parent == base and folder == make_socket_folder(tmp_path) == socket_folder(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_R33_a_sockets_path_is_short_however_long_the_projects_is(tmp_path, monkeypatch):
    """108 bytes on Linux, 104 on macOS."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    long = tmp_path / ("ü" * 100) / ("x" * 200)
    assert len(os.fsencode(socket_folder(long) / "scheduler.sock")) < 90
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert len(os.fsencode(socket_folder(long) / "scheduler.sock")) < 90


def test_each_project_has_its_own_and_links_lead_to_the_same(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert socket_folder(tmp_path / "one") != socket_folder(tmp_path / "two")
    assert socket_folder(tmp_path / "one") == socket_folder(tmp_path / "link")


@pytest.mark.parametrize("wrong", ["", "relative/path", "/no/such/folder", "/" + "x" * 60])
def test_a_runtime_folder_that_cannot_be_used_is_passed_over(tmp_path, monkeypatch, wrong):
    monkeypatch.setenv("XDG_RUNTIME_DIR", wrong)
    assert socket_folder(tmp_path).parent == Path("/tmp") / f"kubefuture-{os.getuid()}"


def test_a_runtime_folder_that_others_can_enter_is_passed_over(base, tmp_path):
    base.chmod(0o755)
    assert socket_folder(tmp_path).parent != base
    base.chmod(0o700)
    assert socket_folder(tmp_path).parent == base


def test_a_folder_that_others_can_enter_is_refused(base, tmp_path):
    socket_folder(tmp_path).mkdir(mode=0o755)
    with pytest.raises(StartError, match="not private"):
        make_socket_folder(tmp_path)


def test_a_link_that_somebody_laid_in_its_place_is_refused(base, tmp_path):
    socket_folder(tmp_path).symlink_to(tmp_path)
    with pytest.raises(StartError, match="not private"):
        make_socket_folder(tmp_path)
    socket_folder(tmp_path).unlink()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_somebody_else_is_refused(base, tmp_path):
    folder = make_socket_folder(tmp_path)
    os.chown(folder, 65534, -1)
    with pytest.raises(StartError, match="not private"):
        make_socket_folder(tmp_path)


def test_a_file_in_its_place_is_an_error_that_says_what_to_do(base, tmp_path):
    socket_folder(tmp_path).touch()
    with pytest.raises(StartError, match="XDG_RUNTIME_DIR"):
        make_socket_folder(tmp_path)
    socket_folder(tmp_path).unlink()


def test_another_projects_end_may_remove_the_folder_that_all_share(tmp_path, monkeypatch):
    """It is empty in the moment between the making of the two."""
    shared = Path("/tmp") / f"kf-{os.getpid()}"
    monkeypatch.setattr(runtime_dir, "socket_folder", lambda _: shared / "project")
    mkdir, removed = Path.mkdir, []

    def remove_before(path: Path, *arguments: object, **options: object) -> None:
        if path.parent == shared and not removed:
            removed.append(path)
            shared.rmdir()
        mkdir(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", remove_before)
    folder = make_socket_folder(tmp_path)
    assert removed == [folder] and stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()
    shared.rmdir()
