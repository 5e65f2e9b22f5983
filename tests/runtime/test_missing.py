"""What the program says of a module that an element did not find."""

from __future__ import annotations

import sys

import pytest
from kubefuture.core.missing import _note, note_missing
from kubefuture.core.raised import named, pack_exception, unpack_exception


def note(name, *, elsewhere=True):
    _note.cache_clear()
    error = ModuleNotFoundError(f"No module named {name!r}", name=name)
    note_missing(error, name, elsewhere=elsewhere)
    (text,) = error.__notes__
    return text


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a module of the project's own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def write(name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    return write


def test_a_module_of_the_projects_own_that_workers_cannot_read_is_named_with_its_file(own):
    own("only_here.py")
    text = note("only_here")
    assert "this project's own, only_here.py, which cannot be read on the workers" in text
    assert "cloudpickle.register_pickle_by_value(only_here)" in text and "values.yaml" not in text


def test_a_part_of_an_own_package_that_is_not_there_is_no_matter_of_versions(own):
    own("own_package/__init__.py")
    text = note("own_package.part")
    assert "own package 'own_package', own_package, is seen on the workers without 'own_package.part'" in text


def test_a_package_on_a_path_of_its_own_is_no_module_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "of_a_cluster.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    assert note("of_a_cluster").endswith("packages:\n  pip:\n    - of_a_cluster")


def test_a_part_of_python_that_this_python_lacks_is_not_to_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "_tkinter", None)
    assert "belongs to Python" in note("_tkinter") and "pip" not in note("_tkinter")


def test_what_was_said_already_is_not_said_again():
    error = ModuleNotFoundError("No module named 'x_y'", name="x_y")
    for _ in range(2):
        note_missing(error, "x_y", elsewhere=True)
    assert len(error.__notes__) == 1


def caused(*, by, hidden=False):
    """An error that came while another was handled."""
    error = RuntimeError("of that")
    error.__context__, error.__suppress_context__ = by, hidden
    return error


LACKS = ModuleNotFoundError("No module named 'x_y'", name="x_y")


@pytest.mark.parametrize("error", [LACKS, caused(by=LACKS), caused(by=caused(by=LACKS))])
def test_a_missing_module_is_told_of_whatever_came_from_it(error):
    arrived = unpack_exception(pack_exception(error))
    assert any("no module 'x_y'" in note for note in named(arrived, "element 1").__notes__)


CIRCLE = RuntimeError("its own cause")
CIRCLE.__cause__ = KeyError("x")
CIRCLE.__cause__.__cause__ = CIRCLE


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("raised by hand"), ImportError("x", name="x"), KeyError("x"),
        caused(by=LACKS, hidden=True), CIRCLE,
    ],
)  # fmt: skip
def test_no_other_error_is_told_of_as_a_missing_module(error):
    arrived = unpack_exception(pack_exception(error))
    assert named(arrived, "element 1").__notes__ == ["kubefuture: element 1"]
