"""In a notebook: cells change functions, classes and modules between calls, and elements see what the program sees."""

from __future__ import annotations

import textwrap

from kubefuture.backends.capabilities import CAPABILITIES

KINDS = list(CAPABILITIES)

RUNNER = """
import asyncio, json, sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(history_length=0)
sys.path.insert(0, "")  # as a kernel does
for cell in json.loads(open("cells.json").read()):
    result = shell.run_cell(cell, store_history=True)
    if not result.success:
        sys.exit(f"{cell} failed")
"""


def run(plan, folder, *cells):
    """What cells print, one after the other in one program."""
    import json

    (folder / "cells.json").write_text(json.dumps(["import kubefuture as kf", *map(textwrap.dedent, cells)]))
    (folder / "runner.py").write_text(RUNNER)
    done = plan.run(folder / "runner.py", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_function_that_a_cell_defines_anew_is_the_new_one(plan, tmp_path):
    cells = [
        "def shift(x): return x + 1\ndef twice(x): return shift(shift(x))",
        "print(kf.map(twice, range(3)))",
        "def shift(x): return x + 10",
        "print(kf.map(twice, range(3)))",
        "step = 5\ndef shift(x): return x + step",
        "print(kf.map(twice, range(3)))",
        "step = 6",
        "print(kf.map(twice, range(3)))",
    ]
    assert run(plan, tmp_path, *cells) == ["[2, 3, 4]", "[20, 21, 22]", "[10, 11, 12]", "[12, 13, 14]"]


def test_a_class_that_a_cell_defines_anew_is_another_one(plan, tmp_path):
    cells = [
        "class Model:\n    size = 1\n    def fit(self, x): return self.size * x",
        "old = Model()\nprint(kf.map(old.fit, [1]), type(kf.map(lambda _: Model(), [1])[0]) is Model)",
        "class Model:\n    size = 2\n    def fit(self, x): return self.size * x",
        "print(kf.map(Model().fit, [1]), kf.map(old.fit, [1]))",
        "print(type(kf.map(lambda x: x, [old])[0]) is type(old) is not Model)",
    ]
    assert run(plan, tmp_path, *cells) == ["[1] True", "[2] [1]", "True"]


def test_a_module_that_autoreload_changes_is_changed_on_the_workers(plan, tmp_path):
    (tmp_path / "steps.py").write_text("def step(x): return x\n")
    cells = [
        "import steps\nfrom steps import step\nprint(kf.map(steps.step, range(4)))",
        "%load_ext autoreload\n%autoreload 2",
        "_ = open('steps.py', 'w').write('def step(x): return 20 * x\\n')",
        "print(kf.map(steps.step, range(4)), kf.map(step, [1]), kf.map(lambda x: steps.step(x), [1]))",
        "_ = open('steps.py', 'w').write('def step(x): return 300 * x\\n')",
        "print(kf.map(steps.step, range(4)))",
    ]
    lines = run(plan, tmp_path, *cells)
    assert lines == ["[0, 1, 2, 3]", "[0, 20, 40, 60] [20] [20]", "[0, 300, 600, 900]"]


def test_a_module_that_is_edited_without_being_loaded_again_is_warned_about(plan, tmp_path):
    (tmp_path / "steps.py").write_text("def step(x): return x\n")
    recorded = """
        import warnings
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            kf.map(steps.step, range(8))
        print([str(one.message).partition(",")[0] for one in found])
        """
    cells = [
        "import importlib, steps\nprint(kf.map(steps.step, [1]))",
        "_ = open('steps.py', 'w').write('def step(x): return 20 * x\\n')",
        recorded,
        recorded,
        "_ = importlib.reload(steps)\nprint(kf.map(steps.step, range(4)))",
        recorded,
    ]
    told = "['steps.py was edited after it was imported here']"
    assert run(plan, tmp_path, *cells) == ["[1]", told, "[]", "[0, 20, 40, 60]", "[]"]


def test_a_traceback_shows_the_line_of_the_cell(plan, tmp_path):
    cells = [
        """
        def invert(x):
            return 1 / x  # the line
        """,
        """
        try:
            kf.map(invert, [0])
        except ZeroDivisionError as error:
            text = str(error.__cause__)
        print("in invert" in text, "return 1 / x  # the line" in text)
        """,
    ]
    assert run(plan, tmp_path, *cells) == ["True True"]


def test_cells_may_wait_for_what_they_started(plan, tmp_path):
    cells = [
        "print(await kf.aio.map(abs, [-1, 2]), await kf.future(abs, -3))",
        "print([x async for x in kf.aio.imap(abs, [-4])])",
    ]
    assert run(plan, tmp_path, *cells) == ["[1, 2] 3", "[4]"]
