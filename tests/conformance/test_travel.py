"""Code travels: what a function is made of arrives, and what cannot is named with what to do about it."""

from __future__ import annotations

import sys
import types

import kubefuture as kf
import pytest
from kubefuture.backends.capabilities import CAPABILITIES

KINDS = list(CAPABILITIES)


def missing(call, *args):
    """The notes of the error that a call raises for want of a module, without the one that names the element."""
    with pytest.raises(ModuleNotFoundError) as caught:
        call(*args)
    first, *more = caught.value.__notes__
    assert first.startswith(("kubefuture: element 0 of ", "kubefuture: future "))
    return more


def imports(name):
    return __import__(name)


LINES = "packages:\n  pip:\n    - "


def test_the_error_of_a_missing_module_has_the_line_for_values_yaml(plan):
    for call in (lambda: kf.map(imports, ["cv2"]), lambda: kf.future(imports, "cv2").result()):
        (note,) = missing(call)
        assert "no module 'cv2'" in note and "`make up`" in note
        assert note.endswith(LINES + "opencv-python-headless"), "by the name that pip knows"
        assert ("on the workers" in note) == (plan.kind != "sequential")


def test_a_package_that_nobody_knows_is_guessed_and_that_is_said(plan):
    (note,) = missing(kf.map, imports, ["surely_not_there"])
    assert note.endswith(LINES + "surely_not_there") and "if that is the package's name" in note


def test_a_missing_part_of_a_package_may_be_another_version(plan):
    (note,) = missing(kf.map, imports, ["numpy.surely_not_there"])
    assert "'numpy'" in note and note.rpartition("\n")[2].startswith("    - numpy==")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that this program has and no worker: `fancy`, which pip calls fancy-tools."""
    folder = tmp_path / "lib" / "site-packages"
    (folder / "fancy_tools-1.5.dist-info").mkdir(parents=True)
    (folder / "fancy_tools-1.5.dist-info" / "METADATA").write_text("Name: fancy-tools\nVersion: 1.5\n")
    (folder / "fancy_tools-1.5.dist-info" / "top_level.txt").write_text("fancy\n")
    (folder / "fancy.py").write_text("class Thing:\n    pass\n\ndef fit(x):\n    return x\n")
    monkeypatch.setattr(sys, "exec_prefix", str(tmp_path))
    monkeypatch.syspath_prepend(folder)
    yield __import__("fancy")
    del sys.modules["fancy"]


def test_a_package_that_only_the_program_has_is_named_as_it_is_installed_there(pool, installed):
    for call in (
        lambda: kf.map(imports, ["fancy"]),
        lambda: kf.map(installed.fit, [1]),
        lambda: kf.map(lambda _: installed.fit, [1]),
        lambda: kf.map(repr, [installed.Thing()]),
    ):
        (note,) = missing(call)
        assert note.endswith(LINES + "fancy-tools") and "if that is" not in note


def test_a_module_of_the_projects_own_is_not_looked_for_in_values_yaml(pool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sources" / "steps").mkdir(parents=True)
    (tmp_path / "sources" / "steps" / "__init__.py").touch()
    (note,) = missing(kf.map, imports, ["steps"])
    assert "sources/steps" in note and "sys.path.insert(0, 'sources')" in note
    assert "values.yaml" not in note


def test_a_module_in_memory_only_is_told_to_be_written_to_a_file(pool, monkeypatch):
    module = types.ModuleType("typed_in")
    exec("def fit(x): return x", module.__dict__)
    monkeypatch.setitem(sys.modules, "typed_in", module)
    (note,) = missing(kf.map, module.fit, [1])
    assert "memory only" in note and "typed_in.py" in note
