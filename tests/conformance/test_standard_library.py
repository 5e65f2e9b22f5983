"""CPython's own tests of ProcessPoolExecutor, with ClusterExecutor in its place.

They come with the interpreter, from 3.12 on, where it has its tests at all. What is left out is in `DIFFERENCES`, with
the reason; what we promise there instead is in test_executor.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import unittest
from typing import Any

import kubefuture as kf
import pytest

PACKAGE = "test.test_concurrent_futures"

INSIDE = "looks at the inside of ProcessPoolExecutor; see the tests of what that is for in test_executor.py"
BY_NAME = "starts a program that imports the executor by name from concurrent.futures; test_executor.py has the same"
QUEUES = (
    "hands over a lock, queue or manager of multiprocessing, which only children that inherit it can be given"
)
DEATH = "a process that dies is replaced, and its call tried again; the pool does not break (R19)"
UNPICKLING = "what cannot be unpickled is this one call's error; the pool does not break"

DIFFERENCES = {
    "test_killed_child": DEATH,
    "test_crash_at_task_unpickle": DEATH,
    "test_crash_during_func_exec_on_worker": DEATH,
    "test_crash_during_result_pickle_on_worker": DEATH,
    "test_crash_big_data": DEATH,
    "test_shutdown_deadlock": DEATH,
    "test_exit_at_task_unpickle": UNPICKLING,
    "test_error_at_task_unpickle": UNPICKLING,
    "test_error_during_result_unpickle_in_result_handler": UNPICKLING,
    "test_exit_during_result_unpickle_in_result_handler": UNPICKLING,
    "test_error_during_result_pickle_on_worker": "the error is a ResultError, which quotes the one of pickle",
    "test_traceback": "the remote traceback is a cause of another class, with the same text",
    "test_max_tasks_per_child": "refused",
    "test_max_tasks_per_child_defaults_to_spawn_context": "refused",
    "test_max_tasks_early_shutdown": "refused",
    "test_ressources_gced_in_workers": QUEUES,
    "test_saturation": QUEUES,
    "test_processes_terminate": QUEUES,
    "test_idle_process_reuse_one": INSIDE,
    "test_idle_process_reuse_multiple": INSIDE,
    "test_del_shutdown": INSIDE,
    "test_shutdown_no_wait": INSIDE,
    "test_context_manager_shutdown": INSIDE,
    "test_shutdown_deadlock_pickle": INSIDE,
    "test_python_finalization_error": INSIDE,
    "test_gh105829_should_not_deadlock_if_wakeup_pipe_full": INSIDE,
    "test_cancel_futures": "wants one to run; those submitted while the first processes start can all be cancelled",
    "test_interpreter_shutdown": BY_NAME,
    "test_submit_after_interpreter_shutdown": BY_NAME,
    "test_hang_gh83386": BY_NAME,
}

SUITES = {
    "test_process_pool": ["ProcessPoolExecutorTest"],
    "test_shutdown": ["ProcessPoolShutdownTest"],
    "test_deadlock": ["ExecutorDeadlockTest"],
    "test_wait": ["WaitTests"],
    "test_as_completed": ["AsCompletedTests"],
    "test_init": ["InitializerMixin"],
}


@pytest.fixture(autouse=True)
def no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has chosen one, so that each executor is a pool of its own."""
    monkeypatch.setattr("kubefuture.api.plan._current", None)
    monkeypatch.delenv("KUBEFUTURE_PLAN", raising=False)
    monkeypatch.delenv("KUBEFUTURE_CONNECTION", raising=False)


def _found() -> dict[str, Any]:
    spec = importlib.util.find_spec("test")
    try:
        package = spec and importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        package = None
    if package is None or package.submodule_search_locations is None:
        return {}
    util = importlib.import_module(f"{PACKAGE}.util")

    class Mixin(util.ExecutorMixin):  # type: ignore[misc, name-defined]
        executor_type = kf.ClusterExecutor
        worker_count = 2
        ctx = "spawn"

    cases = {}
    for module, names in SUITES.items():
        suite = importlib.import_module(f"{PACKAGE}.{module}")
        for name in names:
            tests = getattr(suite, name)
            left_out = {
                test: unittest.skip(f"a difference: {DIFFERENCES[test]}")(lambda self: None)
                for test in dir(tests)
                if test in DIFFERENCES
            }
            own = {"__module__": __name__, **left_out}
            cases[f"{name}OfClusterExecutor"] = type(name, (Mixin, tests, util.BaseTestCase), own)
    return cases


CASES = _found()
globals().update(CASES)


def test_the_standard_librarys_tests_are_here():
    """Else they are not run: Linux distributions, and smaller builds, leave them out."""
    if not CASES:
        pytest.skip(f"this Python has no {PACKAGE}")
    assert len(CASES) == sum(map(len, SUITES.values()))
