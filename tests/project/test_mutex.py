"""One command at a time, and the other one learns which."""

from __future__ import annotations

import fcntl
import os
import threading

import pytest
from kubefuture.project import mutex
from kubefuture.project.errors import ProjectError
from kubefuture.project.folder import Project
from kubefuture.project.mutex import HELD, project_lock

from tests.faults.waiting import LIMIT


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def locked(project: Project) -> int:
    """The lock as another process holds it between taking and signing it."""
    project.state.mkdir()
    handle = os.open(project.state / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def test_who_took_the_lock_this_very_moment_is_waited_for_and_named(project, monkeypatch):
    monkeypatch.setattr(mutex, "_SIGNING_SECONDS", LIMIT)
    handle = locked(project)
    # The one who waits looks at least once before it is signed, however slow this thread is.
    timer = threading.Timer(0.05, os.pwrite, (handle, b"123 make up\n", 0))
    timer.start()
    try:
        with (
            pytest.raises(ProjectError, match=r"`make up` \(process 123\)"),
            project_lock(project, "make down"),
        ):
            pass
    finally:
        timer.join()
        os.close(handle)


def test_a_lock_that_is_never_signed_is_another_commands(project):
    handle = locked(project)
    try:
        with pytest.raises(ProjectError, match="another command"), project_lock(project, "make down"):
            pass
    finally:
        os.close(handle)


def test_who_has_left_is_not_named(project):
    with project_lock(project, "make up"):
        assert "make up" in (project.state / "lock").read_text()
        assert os.environ[HELD] == str(project.folder)
    assert (project.state / "lock").read_text() == ""
