"""A project's own code: modules that are installed nowhere, of the script itself, or changed while the program runs."""

from __future__ import annotations

import copyreg
import importlib
import shutil
import sys

import kubefuture as kf
import pytest
from kubefuture.backends.capabilities import CAPABILITIES

KINDS = list(CAPABILITIES)

PACKAGE = {
    "study/__init__.py": "",
    "study/constants.py": "FACTOR = 3\n",
    "study/steps/__init__.py": "from .work import run\n",
    "study/steps/work.py": """
        from functools import cache
        from ..constants import FACTOR

        @cache
        def scaled(x):
            return x * FACTOR

        def run(x):
            from . import late
            return late.half(scaled(x))
        """,
    "study/steps/late.py": "def half(x): return x / 2\n",
    "study/__main__.py": """
        import kubefuture as kf
        from . import constants
        from .steps import run

        def here(x):
            from .steps import work
            return work.scaled(x) + constants.FACTOR

        print(kf.map(here, [1]), kf.map(run, [1]), kf.map(lambda x: run(x), [2]))
        """,
    "names/part.py": "def doubled(x): return 2 * x\n",
    "script.py": """
        import importlib
        import kubefuture as kf
        from names import part
        from study import steps

        def lazily(x):
            import study.steps.late
            return study.steps.late.half(x)

        def by_name(x):
            return importlib.import_module("study.steps.late").half(x)

        print(kf.map(lazily, [1]), kf.map(by_name, [1]), kf.map(part.doubled, [1]), kf.map(steps.run, [2]))
        """,
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        path.write_text("".join(f"{line[indent:]}\n" for line in lines))


def printed(plan, script, folder, *arguments):
    done = plan.run(script, folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_packages_with_relative_imports_and_imports_inside_functions_are_found(plan, tmp_path):
    write(tmp_path, PACKAGE)
    assert printed(plan, tmp_path / "script.py", tmp_path) == "[0.5] [0.5] [2] [3.0]\n"


def test_a_package_can_be_run_as_the_program(plan, tmp_path):
    write(tmp_path, PACKAGE)
    assert printed(plan, "-m", tmp_path, "study") == "[6] [1.5] [3.0]\n"


def test_a_module_that_was_edited_counts_from_the_next_run_on(plan, tmp_path):
    write(tmp_path, {"run.py": "import kubefuture as kf, steps\nprint(kf.map(steps.step, range(4)))\n"})
    for factor in (2, 30):  # of another length, which Python looks at where seconds are too coarse
        write(tmp_path, {"steps.py": f"def step(x): return {factor} * x\n"})
        assert printed(plan, tmp_path / "run.py", tmp_path) == f"{[factor * x for x in range(4)]}\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes modules of the program's own, in a folder that it adds to sys.path now."""
    made = []
    monkeypatch.syspath_prepend(tmp_path / "added")

    def make(name, text):
        write(tmp_path / "added", {f"{name}.py": text})
        importlib.invalidate_caches()
        made.append(name)
        return importlib.import_module(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_a_folder_that_is_added_to_sys_path_between_two_calls_is_known_to_the_workers(plan, module):
    assert kf.map(abs, [-1]) == [1]
    found = module("added_later", "def twice(x): return 2 * x\n")
    assert kf.map(found.twice, [1]) == [2]
    assert kf.map(lambda x: found.twice(x), [1]) == [2]
    assert kf.future(found.twice, 2).result() == 4


def test_a_module_that_is_loaded_again_is_so_on_the_workers(plan, module, tmp_path):
    edited = module("edited", "def step(x): return x\n")
    other = module("other", "import edited\ndef step(x): return edited.step(x)\n")
    assert kf.map(edited.step, range(4)) == kf.map(other.step, range(4)) == [0, 1, 2, 3]
    for factor in (20, 300):
        write(tmp_path / "added", {"edited.py": f"def step(x): return {factor} * x\n"})
        importlib.reload(edited)
        assert kf.map(edited.step, range(4)) == [factor * x for x in range(4)]
        assert kf.map(other.step, [1]) == [factor], "also for what uses it"
    write(tmp_path / "added", {"edited.py": "def step(x): return 0\n\ndef new(x): return -x\n"})
    importlib.reload(edited)
    assert kf.map(edited.new, [1]) == [-1]


def test_modules_of_the_environment_are_not_loaded_again(pool, module):
    edited = module("edited", "def step(x): return x\n")

    def numpy_is_the_same(_):
        import numpy

        before = getattr(numpy, "seen_here", False)
        numpy.seen_here = True
        return before

    plans = kf.plan("local", workers=1)
    try:
        assert kf.map(numpy_is_the_same, range(1)) == [False]
        importlib.reload(edited)
        assert kf.map(numpy_is_the_same, range(1)) == [True]
    finally:
        kf.plan(plans)


def test_a_module_that_workers_cannot_read_is_named_and_can_be_sent_by_value(pool, module, tmp_path):
    import cloudpickle

    away = module("far_away", "COUNT = [1]\ndef count(x): return COUNT[0] + x\n")
    shutil.move(tmp_path / "added", tmp_path / "moved")
    with pytest.raises(ModuleNotFoundError) as caught:
        kf.map(away.count, [1])
    assert "far_away" in caught.value.__notes__[1] and "values.yaml" not in caught.value.__notes__[1]
    cloudpickle.register_pickle_by_value(away)
    try:
        assert kf.map(away.count, [1, 2]) == [2, 3]
        away.COUNT[0] = 5
        assert kf.map(away.count, [1, 2]) == [6, 7], "as it is now"
    finally:
        cloudpickle.unregister_pickle_by_value(away)


class Refuses:
    """Can be packed only as somebody registers it."""

    def __init__(self, value):
        self.value = value

    def __reduce_ex__(self, protocol):
        raise TypeError("not by itself")


def test_what_the_program_registered_with_copyreg_counts_for_arguments_captures_and_results(plan):
    copyreg.pickle(Refuses, lambda one: (Refuses, (one.value,)))
    captured = Refuses(5)
    try:
        assert kf.map(lambda one: one.value, [Refuses(3)]) == [3]
        assert kf.map(lambda _: captured.value, [0]) == [5]
        assert kf.map(Refuses, [7])[0].value == 7
    finally:
        del copyreg.dispatch_table[Refuses]


MAIN = """
    import enum
    import functools
    from dataclasses import dataclass
    import kubefuture as kf

    class Colour(enum.Enum):
        RED = 1

    @dataclass
    class Reading:
        colour: Colour
        value: float = 0.0

    @functools.lru_cache
    def doubled(x):
        return 2 * x

    def read(x):
        return Reading(Colour.RED, doubled(x))

    (back,) = kf.map(read, [2])
    assert type(back) is Reading and back.colour is Colour.RED and back == Reading(Colour.RED, 4)
    assert kf.map(doubled, [1]) == [2]
    assert kf.map(lambda one: one.colour is Colour.RED, [back]) == [True]
    print("as if it were one program")
    """


def test_classes_and_cached_functions_of_the_script_itself_are_the_same_when_they_come_back(plan, tmp_path):
    write(tmp_path, {"main.py": MAIN})
    assert printed(plan, tmp_path / "main.py", tmp_path) == "as if it were one program\n"
