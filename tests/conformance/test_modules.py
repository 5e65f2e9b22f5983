"""A project's own modules need not be installed: elements find what the script finds, where it finds it."""

from __future__ import annotations

import pytest

from tests.faults.programs import said

HELPERS = """
import os
from pathlib import Path

IMPORTED_IN = os.getpid()

def scaled(x):
    return x * int(Path("factor.txt").read_text())
"""

PART = """
class Shape:
    def __init__(self, size):
        self.size = size
"""

SCRIPT = """
import os
import kubefuture as kf
import helpers
from package.part import Shape

print("main runs")

def here(x):
    return helpers.scaled(x), os.getcwd() == CWD, Shape(x)

CWD = os.getcwd()
answers = kf.map(here, range(3))
assert [answer[:2] for answer in answers] == [(0, True), (7, True), (14, True)], answers
assert [answer[2].size for answer in answers] == [0, 1, 2]
assert kf.map(helpers.scaled, range(3)) == [0, 7, 14]
assert type(answers[0][2]) is Shape
print("plan", kf.n_workers())
"""


def run(plan, script, folder):
    """Runs a script on a plan, and returns its output."""
    done = plan.run(script, folder)
    assert done.returncode == 0, done.stderr
    of_its_own = [line for line in said(done.stderr) if "using the local cluster" not in line]
    assert of_its_own == [], "a script that went well says nothing of its own"
    return done.stdout


@pytest.mark.parametrize("elsewhere", [False, True], ids=["beside the script", "from another folder"])
def test_modules_beside_the_script_are_found_and_main_runs_once(plan, tmp_path, elsewhere):
    code = tmp_path / "code ü"
    work = tmp_path / "work" if elsewhere else code
    (code / "package").mkdir(parents=True)
    work.mkdir(exist_ok=True)
    (work / "factor.txt").write_text("7")
    (code / "helpers.py").write_text(HELPERS)
    (code / "package" / "__init__.py").touch()
    (code / "package" / "part.py").write_text(PART)
    (code / "analysis.py").write_text(SCRIPT)
    workers = 1 if plan.kind == "sequential" else 2
    assert run(plan, code / "analysis.py", work).splitlines() == ["main runs", f"plan {workers}"]


def test_a_script_needs_no_main_guard(plan, tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("import kubefuture as kf\nprint(sum(kf.map(lambda x: x * x, range(10))))\n")
    assert run(plan, script, tmp_path) == "285\n"


def test_one_projects_modules_are_not_anothers(plan, tmp_path):
    """R3: a slot is replaced when the session changes, so that modules of one name do not mix."""
    for name in ("one", "two", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "settings.py").write_text(f"NAME = {name!r}\ndef tell(_): return NAME\n")
        (folder / "run.py").write_text(
            "import kubefuture as kf, settings\nprint(set(kf.map(settings.tell, range(20))))\n"
        )
        assert run(plan, folder / "run.py", folder) == f"{{{name!r}}}\n"
