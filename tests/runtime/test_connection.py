"""Connection files: private, never half there, and only one's own (R32)."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from kubefuture.core.connection import FILE, Connection
from kubefuture.errors import LoginError, NotUpError

from tests import needs
from tests.faults.programs import SOURCE, environment
from tests.faults.waiting import LIMIT

CONNECTION = Connection("study", "local", "unix:/tmp/socket", "ab" * 32)


AS_ANOTHER = """
import sys
from pathlib import Path
from kubefuture.core.connection import Connection
Connection.load(Path(sys.argv[1]) / "connection.json")
"""


@pytest.fixture
def path(tmp_path) -> Path:
    """A connection file."""
    CONNECTION.save(tmp_path / "connection.json")
    return tmp_path / "connection.json"


def test_a_connection_comes_back_from_its_file(path):
    assert Connection.load(path) == CONNECTION
    assert CONNECTION.socket_path == "/tmp/socket" and CONNECTION.key == b"\xab" * 32


def test_the_file_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        CONNECTION.save(tmp_path / "connection.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "connection.json").stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["connection.json"], "no draft is left"


def test_saving_replaces_the_file_at_once_and_leaves_it_when_that_fails(path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Connection("other", "local", "unix:/x", "cd" * 32).save(path)
    assert Connection.load(path) == CONNECTION
    assert [one.name for one in path.parent.iterdir()] == ["connection.json"]


def test_the_token_is_not_shown():
    assert "abab" not in repr(CONNECTION) and "abab" not in str(CONNECTION)


def test_a_file_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(NotUpError, match=r"does not exist.*make up"):
        Connection.load(tmp_path / "connection.json")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602, 0o666])
def test_a_file_that_others_can_use_is_refused(path, mode):
    path.chmod(mode)
    with pytest.raises(LoginError, match=rf"mode {mode:04o}.*make up"):
        Connection.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}",
        json.dumps({"project": "p", "provider": "l", "address": "unix:/x"}).encode(),
        json.dumps({"project": "p", "provider": "l", "address": "unix:/x", "token": "no hex"}).encode(),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(NotUpError, match=r"is damaged.*make up"):
        Connection.load(path)


def test_a_folder_in_its_place_is_no_crash(tmp_path):
    (tmp_path / "connection.json").mkdir(mode=0o700)
    with pytest.raises(NotUpError, match=r"is no file.*make up"):
        Connection.load(tmp_path / "connection.json")


def test_somebody_elses_file_is_refused(path, monkeypatch):
    """A client unpickles results, so it uses only its own user's cluster."""
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(LoginError, match=rf"belongs to another user \(uid {owner}\)"):
        Connection.load(path)


@pytest.mark.skipif(
    os.getuid() != 0, reason="only root can become somebody else; the test before does without"
)
def test_it_is_refused_to_a_real_other_user():
    needs.command("setpriv", "to be another user")
    become = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c"]
    if subprocess.run([*become, ""], capture_output=True, timeout=LIMIT).returncode:
        pytest.skip("this Python is root's alone")
    folder = Path(tempfile.mkdtemp(prefix="kubefuture-test-"))
    package = shutil.copytree(SOURCE, folder / "src")
    try:
        CONNECTION.save(folder / "connection.json")
        for place in (folder, *folder.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)
        done = subprocess.run(
            [*become, AS_ANOTHER, str(folder)],
            env=environment(PYTHONPATH=str(package)),
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    finally:
        shutil.rmtree(folder)
    assert "LoginError" in done.stderr and "belongs to another user (uid 0)" in done.stderr


def test_a_file_is_searched_upward_but_not_out_of_the_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    outside = tmp_path / FILE
    outside.parent.mkdir()
    project = tmp_path / "code" / "project"
    deep = project / "analysis" / "deep"
    deep.mkdir(parents=True)
    assert Connection.find(deep) is None
    CONNECTION.save(outside)
    assert Connection.find(deep) == outside
    (project / ".git").mkdir()
    assert Connection.find(deep) is None
    (project / FILE).parent.mkdir()
    CONNECTION.save(project / FILE)
    assert Connection.find(deep) == project / FILE
    monkeypatch.chdir(deep)
    assert Connection.find() == project / FILE


def test_R32_a_home_folder_that_is_a_link_ends_the_search_as_well(tmp_path, monkeypatch):
    (tmp_path / "disk" / "home" / "work").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk" / "home")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "disk" / FILE).parent.mkdir()
    CONNECTION.save(tmp_path / "disk" / FILE)
    monkeypatch.chdir(tmp_path / "home" / "work")
    assert Connection.find() is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_R32_outside_of_the_home_folder_somebody_elses_folders_are_not_searched(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    (tmp_path / "lab" / "mine" / "work").mkdir(parents=True)
    (tmp_path / "lab" / FILE).parent.mkdir()
    CONNECTION.save(tmp_path / "lab" / FILE)
    assert Connection.find(tmp_path / "lab" / "mine" / "work") == tmp_path / "lab" / FILE
    os.chown(tmp_path / "lab", 1, -1)
    assert Connection.find(tmp_path / "lab" / "mine" / "work") is None


def test_a_file_above_the_home_folder_is_not_used(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / FILE).parent.mkdir()
    CONNECTION.save(tmp_path / FILE)
    assert Connection.find(home / "work") is None
