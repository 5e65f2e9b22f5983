"""Code travels: what a function is made of arrives, and what cannot is named with what to do about it."""

from __future__ import annotations

import importlib.util
import sys
import threading
import types
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.backends.capabilities import CAPABILITIES
from kubefuture.core import captured
from kubefuture.errors import UnpicklableError

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


def fails_for_want_of(name):
    try:
        return __import__(name)
    except ImportError as error:
        raise RuntimeError("no engine was found") from error


def test_an_error_that_a_missing_module_caused_has_the_line_too(plan):
    def note_of(call):
        with pytest.raises(RuntimeError, match="no engine") as caught:
            call()
        return caught.value.__notes__[-1]

    assert note_of(lambda: kf.map(fails_for_want_of, ["cv2"])).endswith(LINES + "opencv-python-headless")
    assert note_of(lambda: kf.future(fails_for_want_of, "cv2").result()).endswith(
        LINES + "opencv-python-headless"
    )


def test_a_module_that_was_read_from_a_file_of_another_name_is_no_matter_of_file_systems(pool, tmp_path):
    (tmp_path / "other_name.py").write_text("def f(x):\n    return x\n")
    spec = importlib.util.spec_from_file_location("specially", tmp_path / "other_name.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["specially"] = module
    try:
        spec.loader.exec_module(module)
        (note,) = missing(kf.map, module.f, [1])
    finally:
        del sys.modules["specially"]
    assert "other_name.py, which no import finds by that name" in note
    assert "cloudpickle.register_pickle_by_value(specially)" in note


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


@pytest.fixture
def recorded(recwarn, monkeypatch):
    """What was warned of, as if no function had been used before."""
    monkeypatch.setattr(captured, "_told", WeakSet())
    return recwarn


def told(recorded):
    """The warnings about captured data."""
    return [str(one.message) for one in recorded if "captured" in str(one.message)]


LARGE = 1_500_000
"""So many numbers take more than 10 MiB."""


def test_captured_data_of_more_than_10_mib_is_listed_by_name_and_size_once_a_function(plan, recorded):
    table, small = np.ones(LARGE), np.ones(10)

    def fit(x):
        return float(table[0] + small[0] + x)

    for _ in range(2):
        assert kf.map(fit, [1, 2]) == [3.0, 4.0]
    (text,) = told(recorded)
    assert text.startswith("fit captured 11 MiB")
    assert "\n  closure variable 'table' of fit (an ndarray, 11 MiB)\n" in text
    assert "kf.share(data)" in text and "'small'" not in text
    assert told(recorded) and recorded.list[0].filename == __file__


@dataclass
class Model:
    data: Any
    steps: int = 1

    def fit(self, x):
        return self.steps * x


LARGE_DEFAULT = np.ones(LARGE + 1)


def test_what_is_large_is_found_inside_objects_functions_and_containers(plan, recorded):
    weights = {"first": {"deep": np.ones(LARGE)}, "second": 2}

    def inner(x):
        return weights and x

    def outer(x, default=LARGE_DEFAULT):
        return inner(x)

    def with_default(x, *, given=bytes(12 << 20)):
        return x

    for function in (outer, Model(np.ones(LARGE)).fit, with_default):
        assert kf.map(function, [7]) == [7]
    first, second, third = told(recorded)
    assert (
        "closure variable 'inner' of outer → closure variable 'weights' of inner → ['first'] → ['deep'] (an"
        in first
    )
    assert "default of 'default' of outer (an ndarray, 11 MiB)" in first
    assert "the object of method Model.fit → .data (an ndarray, 11 MiB)" in second
    assert "default of 'given' of with_default (a bytes, 12 MiB)" in third


def test_large_data_that_is_no_array_is_told_to_be_unpacked_for_each_element(plan, recorded):
    texts = [str(number) for number in range(1_200_000)]
    assert kf.map(lambda x: texts[x], [3]) == ["3"]
    (text,) = told(recorded)
    assert "'texts' of <lambda> (a list, " in text and "unpacked for each element)" in text
    assert "kf.share" not in text, "which could do nothing about it"


def test_arguments_small_captures_and_shared_data_are_not_told(plan, recorded):
    shared, table, small = kf.share(np.full(LARGE, 2.0)), np.ones(LARGE), np.ones(1 << 20)
    assert kf.map(lambda part: float(part[0]), [table]) == [1.0]
    assert kf.map(lambda x: float(small[x]), [0]) == [1.0]
    assert kf.map(lambda x: float(shared[x]), [0]) == [2.0]
    assert told(recorded) == []


class Connection:
    """Something that cannot travel, as a database's connection cannot."""

    def __reduce_ex__(self, protocol):
        raise TypeError("cannot pickle a connection")


class Database:
    def __init__(self):
        self.conn = Connection()


@dataclass
class Reading:
    name: str
    source: Any


class Slotted:
    __slots__ = ("__private", "open")

    def __init__(self):
        self.open, self.__private = 1, Connection()


class OwnState:
    """Its attribute stays here; its state does not."""

    def __init__(self):
        self.conn = Connection()

    def __getstate__(self):
        return {"text": "x", "copies": [Connection()]}


class Listed(list):
    pass


def listed():
    made = Listed([1])
    made.source = Database()
    return made


UNSENDABLE = {
    ".conn (a Connection)": Database(),
    "['a'] → [1] → .conn": {"a": [1, Database()]},
    ".source → .conn": Reading("r", Database()),
    ".__private": Slotted(),
    "its state['copies'] → [0]": OwnState(),
    "[0] → .conn": {Database()},
    "[1] → ['k'] → [0]": (1, OrderedDict(k=deque([Connection()]))),
    "the key": {(1, Connection()): 1},
    ".source → .conn (": listed(),
    "[2] → .conn": np.array([1, 2, Database()], dtype=object),
}


@pytest.mark.parametrize("path", UNSENDABLE)
def test_what_cannot_be_sent_is_named_with_its_path_in_arguments_and_captures(plan, path):
    value = UNSENDABLE[path]

    def fit(x):
        return value

    with pytest.raises(UnpicklableError) as caught:
        kf.map(fit, [1])
    assert f"because of closure variable 'value' of fit → {path}" in str(caught.value)
    assert "cannot pickle a connection" in str(caught.value)
    with pytest.raises(UnpicklableError) as caught:
        kf.map(abs, [1, value])
    assert "Argument 1 of element 1" in str(caught.value) and f"because of {path}" in str(caught.value)
    with pytest.raises(UnpicklableError) as caught:
        kf.future(dict, given=value)
    assert "Argument 'given'" in str(caught.value) and f"because of {path}" in str(caught.value)


def test_what_cannot_be_sent_is_found_behind_nested_functions_methods_and_defaults(plan):
    db = Database()

    def fit(x):
        return db

    def outer(x):
        return fit(x)

    def with_default(x, db=db):
        return db

    class Task:
        lock = threading.Lock()

        def run(self, x):
            return x

    paths = {
        fit: "closure variable 'db' of fit → .conn (a Connection)",
        outer: "closure variable 'fit' of outer → closure variable 'db' of fit → .conn (a Connection)",
        with_default: "default of 'db' of with_default → .conn (a Connection)",
        partial(abs, db): "argument 1 of partial(abs) → .conn (a Connection)",
        Task().run: "the object of method Task.run → its class → attribute 'lock' of class Task (a lock)",
    }
    for function, path in paths.items():
        with pytest.raises(UnpicklableError) as caught:
            kf.map(function, [1])
        assert f"because of {path}" in str(caught.value)


def test_a_part_that_is_not_sent_is_not_blamed(plan):
    """A global variable of the same name as an attribute that the function uses."""
    script = {"__name__": "__main__", "conn": Connection(), "bad": Connection()}
    exec("def fit(x):\n    return x.conn, bad\n", script)
    with pytest.raises(UnpicklableError, match="because of global variable 'bad' of fit"):
        kf.map(script["fit"], [1])
