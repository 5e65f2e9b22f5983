"""A project's own modules need not be installed: elements find what the script finds, where it finds it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.faults.programs import environment

HELPERS = """
import os
from pathlib import Path

IMPORTED_IN = os.getpid()

def scaled(x):
    return x * int(Path("factor.txt").read_text())
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


@pytest.mark.parametrize("elsewhere", [False, True], ids=["beside the script", "from another folder"])
def test_modules_beside_the_script_are_found_and_main_runs_once(plan, tmp_path, elsewhere):
    code = tmp_path / "code ü"
    work = tmp_path / "work" if elsewhere else code
    (code / "package").mkdir(parents=True)
    work.mkdir(exist_ok=True)
    (work / "factor.txt").write_text("7")
    (code / "helpers.py").write_text(HELPERS)
    (code / "package" / "__init__.py").touch()
    (code / "package" / "part.py").write_text(
        "class Shape:\n    def __init__(self, size): self.size = size\n"
    )
    script = code / "analysis.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, script], cwd=work, env=environment(**plan.environment), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["main runs", f"plan {1 if plan.kind == 'sequential' else 2}"]


def test_a_script_needs_no_main_guard(plan, tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("import kubefuture as kf\nprint(sum(kf.map(lambda x: x * x, range(10))))\n")
    done = subprocess.run(
        [sys.executable, script],
        env=environment(**plan.environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "285\n" and done.returncode == 0, done.stderr


def test_one_projects_modules_are_not_anothers(plan, tmp_path):
    """R3: a slot is replaced when the session changes, so that modules of one name do not mix."""
    for name in ("one", "two", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "settings.py").write_text(f"NAME = {name!r}\ndef tell(_): return NAME\n")
        (folder / "run.py").write_text(
            "import kubefuture as kf, settings\nprint(set(kf.map(settings.tell, range(20))))\n"
        )
        done = subprocess.run(
            [sys.executable, folder / "run.py"], env=environment(**plan.environment), capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
        assert done.stdout == f"{{{name!r}}}\n", done.stderr
