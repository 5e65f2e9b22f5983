"""joblib's own tests of its back ends, with ours in their place, on plan("local").

They come with joblib. What is left out is in `DIFFERENCES`, with the reason; what we promise there instead is in
test_joblib.py.
"""

from __future__ import annotations

import importlib
import time
import types
from typing import Any

import joblib
import pytest

from tests.faults.waiting import LIMIT

KINDS = ["local"]

INSIDE = "looks at the inside of joblib's own back ends"
NESTED = "wants threads for calls inside a call; ours run in place"
SCRIPT = "starts a script that chooses the back end and never imports kubefuture"
MANAGER = "hands over an object of multiprocessing that only its children can use"
MEMMAP = "wants numpy.memmap, where ours are arrays that are mapped all the same"

DIFFERENCES = {
    "test_error_capture": INSIDE,
    "test_nested_backend_in_sequential": INSIDE,
    "test_nested_backend_context_manager": NESTED,
    "test_nested_parallelism_limit": NESTED,
    "test_parallel_with_interactively_defined_functions": SCRIPT,
    "test_parallel_with_unpicklable_functions_in_args": SCRIPT,
    "test_dispatch_multiprocessing": MANAGER,
    "test_initializer_context": MANAGER,
    "test_initializer_parallel": MANAGER,
    "test_auto_memmap_on_arrays_from_generator": MEMMAP,
    "test_memmapping_leaks": MEMMAP,
    "test_nested_exception_dispatch": "is expected to fail, and does not",
}

SLOWER = 60.0
"""So many times as long does each second take in some tests, since a busy machine may not run them for seconds."""

SLOW: dict[str, Any] = {"sleep": lambda seconds: time.sleep(seconds * SLOWER)}  # travels without this module
SLOW["time"] = types.SimpleNamespace(time=lambda: time.monotonic() / SLOWER, sleep=SLOW["sleep"])
"""Elements take so much longer, and the limits are so much higher: what a test says of them stays true."""


def _patient(timeout: float | None = None, **options: Any) -> joblib.Parallel:
    """The same, with more time where that is to be enough."""
    return joblib.Parallel(timeout=LIMIT if timeout == 10 else timeout, **options)


NAMES: dict[str, dict[str, Any]] = {
    "test_abort_backend": SLOW,
    "test_multiple_generator_call": SLOW,
    "test_multiple_generator_call_managed": SLOW,
    "test_parallel_timeout_fail_with_generator": {"Parallel": _patient},
}
"""What some tests find under a name instead of what joblib has there."""

FEWEST = 20
"""So many different tests are there at least; else joblib has changed how it chooses their back ends."""


@pytest.fixture(autouse=True)
def on_the_plan(plan):
    """Each runs there."""


def _with_ours(test: types.FunctionType) -> types.FunctionType | None:
    """A test that can be given a back end, and is given ours; None for others."""
    marks, takes_it = [], False
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize" and mark.args[0] == "backend":
            takes_it, mark = True, pytest.mark.parametrize("backend", ["kubefuture"]).mark
        marks.append(mark)
    if not takes_it:
        return None
    if test.__name__ in DIFFERENCES:
        marks.append(pytest.mark.skip(reason=f"a difference: {DIFFERENCES[test.__name__]}").mark)
    names = test.__globals__
    if test.__name__ in NAMES:
        names = names | NAMES[test.__name__]
    own = types.FunctionType(test.__code__, names, test.__name__, test.__defaults__, test.__closure__)
    own.pytestmark = marks  # type: ignore[attr-defined]
    return own


def _found() -> dict[str, Any]:
    suite = importlib.import_module("joblib.test.test_parallel")
    tests = [test for name, test in vars(suite).items() if name.startswith("test_")]
    return {test.__name__: own for test in tests if (own := _with_ours(test)) is not None}


CASES = _found()
globals().update(CASES)


def test_joblibs_tests_are_here_and_none_is_left_out_that_does_not_exist():
    assert len(CASES) >= FEWEST
    assert DIFFERENCES.keys() | NAMES.keys() <= CASES.keys()
