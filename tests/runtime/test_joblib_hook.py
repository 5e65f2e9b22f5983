"""joblib knows our back end, whichever of the two is imported first, and it costs nothing until then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.programs import environment
from tests.faults.waiting import LIMIT


def ask(program: str) -> str:
    """What a program prints last, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "imports",
    [
        "import kubefuture, joblib",
        "import joblib, kubefuture",
        "import kubefuture; from joblib.parallel import Parallel; import joblib",
        "from concurrent.futures import ThreadPoolExecutor as P; from importlib import import_module as i\n"
        "with P() as p: list(p.map(i, ['joblib', 'kubefuture'] * 4))\nimport joblib",
    ],
)
def test_the_back_end_is_known_in_either_order(imports):
    choose = "with joblib.parallel_config(backend='kubefuture'): print(joblib.effective_n_jobs(-1))"
    assert ask(f"{imports}\n{choose}") == "1"


def test_importing_kubefuture_imports_no_joblib_and_joblib_imports_no_more_of_kubefuture():
    assert ask("import kubefuture, sys; print('joblib' in sys.modules)") == "False"
    program = (
        "import kubefuture, joblib, sys; print(*[m for m in sys.modules if m.startswith('kubefuture.')])"
    )
    assert ask(program) == "kubefuture.joblib_backend kubefuture.joblib_backend.hook"


def test_after_joblib_was_imported_nothing_of_ours_is_left_in_the_import_system():
    look = (
        "import kubefuture, sys; before = len(sys.meta_path); import joblib, joblib.parallel as p, inspect\n"
        "print(before - len(sys.meta_path), type(p.__loader__).__name__, type(p.__spec__.loader).__name__,"
        " 'class Parallel' in inspect.getsource(p))"
    )
    assert ask(look) == "1 SourceFileLoader SourceFileLoader True"


def test_looking_for_joblib_without_importing_it_changes_nothing():
    look = (
        "import kubefuture, importlib.util; assert importlib.util.find_spec('joblib.parallel')\n"
        "import joblib; print('kubefuture' in joblib.parallel.BACKENDS)"
    )
    assert ask(look) == "True"


def test_without_joblib_everything_else_works():
    program = "import sys; sys.modules['joblib'] = None\nimport kubefuture; print(kubefuture.map(abs, [-1]))"
    assert ask(program) == "[1]"
