"""kf.path: the project's files, in the program and in elements."""

from __future__ import annotations

import copy
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.errors import MissingFileError, PlanError

from tests.faults.programs import environment
from tests.faults.waiting import LIMIT

PROJECT = """
import sys
import kubefuture as kf
from pathlib import Path

found = kf.path("data/x.csv")
assert kf.path("data/x.csv").read_text() == "a,b"
plan = sys.argv[1]
kf.plan(plan, **({} if plan == "sequential" else {"workers": 1}))
read = lambda given: (given.read_text(), given.suffix, kf.path("data/x.csv").read_text(), found.read_text(), str(given))
assert kf.map(read, [found]) == [("a,b", ".csv", "a,b", "a,b", str(found))]
assert kf.future(read, found).result()[0] == "a,b"
assert kf.map(lambda _: kf.path("data"), range(2)) == [found.parent] * 2
print(found)
"""


@pytest.fixture
def project(tmp_path):
    """A project with a file, and a script in a folder of it."""
    folder = tmp_path / "my study"
    for name, content in {
        ".copier-answers.yml": "",
        "data/x.csv": "a,b",
        "analysis/script.py": PROJECT,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize("plan_kind", ["sequential", "local", "dask"])
@pytest.mark.parametrize("start", [".", "analysis"])
def test_a_file_of_the_project_is_found_by_programs_and_elements_wherever_they_begin(
    project, plan_kind, start
):
    done = subprocess.run(
        [sys.executable, project / "analysis" / "script.py", plan_kind],
        cwd=project / start, env=environment(), capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert done.stdout == f"{project / 'data' / 'x.csv'}\n", done.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The present folder, outside of any project."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("a,b")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_outside_of_a_project_it_is_below_the_present_folder(plan, folder):
    place = kf.path("data/x.csv")
    assert place == folder / "data" / "x.csv" and isinstance(place, Path)
    assert kf.map(lambda given: (str(given), given.read_text()), [place]) == [(str(place), "a,b")]


def test_where_the_project_is_in_another_folder_it_is_the_path_there(folder, monkeypatch):
    place = kf.path("data/x.csv")
    sent, alone = pickle.dumps(place), pickle.dumps(place.parent)
    shutil.move(folder / "data", folder / "elsewhere" / "data")
    monkeypatch.chdir(folder / "elsewhere")
    (folder / "elsewhere" / ".copier-answers.yml").touch()
    assert pickle.loads(sent).read_text() == "a,b"
    assert pickle.loads(alone) == folder / "data", "what is made from a path is a path like any other"


def test_it_can_be_copied(folder):
    place = kf.path("data/x.csv")
    assert copy.deepcopy(place) == copy.copy(place) == place


def test_a_file_that_is_not_there_is_named_with_what_to_do(plan, folder):
    with pytest.raises(MissingFileError, match=r"no data/y\.csv in .* on .* project's folder\?"):
        kf.path("data/y.csv")
    with pytest.raises(FileNotFoundError, match="the workers do not see its folder"):
        kf.map(lambda name: kf.path(name), ["data/y.csv"])


def test_a_file_that_was_removed_before_its_element_ran_is_named(plan, folder):
    place = kf.path("data/x.csv")
    place.unlink()
    with pytest.raises(MissingFileError, match=r"The program passed .*x\.csv"):
        kf.map(str, [place])


@pytest.mark.parametrize("out", ["/etc/passwd", "../x", "data/../../x", ".."])
def test_a_path_that_leads_out_of_the_project_is_refused(folder, out):
    with pytest.raises(PlanError, match="leads out of the project"):
        kf.path(out)
