"""joblib's parallel calls, and with them scikit-learn's, run on every plan as they do on joblib's own processes."""

from __future__ import annotations

import os
import threading
import time
import warnings

import joblib
import kubefuture as kf
import numpy as np
import pytest
from joblib import Parallel, delayed
from kubefuture.backends.capabilities import CAPABILITIES

from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually

KINDS = list(CAPABILITIES)

pytestmark = pytest.mark.usefixtures("joblib_runs_on_plan")


def own_process(*_):
    return os.getpid()


def test_calls_run_on_the_plan_and_their_results_come_in_order(plan):
    assert Parallel()(delayed(pow)(x, 2) for x in range(100)) == [x**2 for x in range(100)]
    processes = set(Parallel()(delayed(own_process)(x) for x in range(20)))
    assert processes == {os.getpid()} if plan.kind == "sequential" else processes <= set(plan.slots())


def test_it_can_be_named_for_one_call(plan):
    with joblib.parallel_config(backend="threading"):
        results = Parallel(n_jobs=-1, backend="kubefuture")(delayed(own_process)(x) for x in range(4))
    assert (os.getpid() in results) == (plan.kind == "sequential")


def test_the_older_way_to_choose_it_works_too(plan):
    with joblib.parallel_backend("kubefuture", n_jobs=2):
        assert Parallel()(delayed(abs)(-x) for x in range(5)) == list(range(5))


def test_all_jobs_are_all_workers_of_the_plan(plan):
    assert joblib.effective_n_jobs() == joblib.effective_n_jobs(None) == kf.n_workers()
    assert joblib.effective_n_jobs(-2) == max(kf.n_workers() - 1, 1)
    assert joblib.effective_n_jobs(7) == (1 if plan.kind == "sequential" else 7)
    with pytest.raises(ValueError, match="n_jobs == 0"):
        joblib.effective_n_jobs(0)


def test_one_job_runs_here(plan):
    assert Parallel(n_jobs=1)(delayed(own_process)(x) for x in range(3)) == [os.getpid()] * 3


def test_all_jobs_run_on_the_plan_also_where_that_has_one_worker(pool):
    kf.scale(1)
    assert joblib.effective_n_jobs(-1) == 1
    assert os.getpid() not in Parallel()(delayed(own_process)(x) for x in range(3))


def test_no_more_run_at_the_same_time_than_there_are_jobs(pool, checkpoint):
    kf.scale(3)
    calls = Parallel(n_jobs=2, batch_size=1, return_as="generator")(
        delayed(reach)(checkpoint.port, number) for number in range(6)
    )
    for _ in range(2):
        visits = checkpoint.take(2)
        assert not checkpoint.anybody
        for visit in visits:
            visit.go()
    checkpoint.open()
    assert list(calls) == [""] * 6


def libraries_threads(_):
    import numpy.linalg
    from threadpoolctl import threadpool_info

    numpy.linalg.inv(np.eye(3))
    return {each["num_threads"] for each in threadpool_info()}, os.environ["OMP_NUM_THREADS"]


def test_numerical_libraries_have_as_many_threads_as_are_asked_for_and_only_then(pool):
    with joblib.parallel_config(backend="kubefuture", inner_max_num_threads=3):
        found = Parallel()(delayed(libraries_threads)(number) for number in range(4))
    assert found == [({min(3, most_threads())}, "3")] * 4
    assert Parallel()(delayed(libraries_threads)(number) for number in range(4)) == [({1}, "1")] * 4


def most_threads():
    from threadpoolctl import threadpool_info, threadpool_limits

    np.linalg.inv(np.eye(3))
    with threadpool_limits(limits=3):
        return max(each["num_threads"] for each in threadpool_info())


def test_results_come_one_by_one(plan):
    there = threading.Event()

    def inputs():
        for x in range(50):
            if x == 40:
                assert there.wait(LIMIT), "the first result is there before the last input is"
            yield delayed(abs)(-x)

    results = Parallel(return_as="generator", batch_size=1)(inputs())
    assert next(results) == 0
    there.set()
    assert list(results) == list(range(1, 50))


def test_results_come_as_they_are_done_if_order_does_not_matter(pool, checkpoint):
    results = Parallel(return_as="generator_unordered", batch_size=1)(
        delayed(reach)(checkpoint.port, number) for number in range(2)
    )
    visits = {visit.label: visit for visit in checkpoint.take(2)}
    visits["1"].go("second")
    assert next(results) == "second"
    visits["0"].go("first")
    assert list(results) == ["first"]


def test_two_calls_can_be_under_way(plan):
    first = Parallel(return_as="generator")(delayed(pow)(x, 2) for x in range(30))
    second = Parallel(return_as="generator")(delayed(pow)(x, 3) for x in range(30))
    assert list(zip(first, second, strict=True)) == [(x**2, x**3) for x in range(30)]


def test_an_object_is_used_for_several_calls(plan):
    with Parallel() as parallel:
        for turn in range(3):
            assert parallel(delayed(pow)(x, turn) for x in range(9)) == [x**turn for x in range(9)]


@pytest.mark.parametrize("backend", [None, "kubefuture"])
def test_calls_inside_a_call_run_in_place(plan, backend):
    def outer(backend):
        inner = Parallel(n_jobs=4, backend=backend)(delayed(own_process)(x) for x in range(5))
        return set(inner) == {os.getpid()}, joblib.effective_n_jobs(-1), kf.n_workers()

    assert Parallel()(delayed(outer)(backend) for _ in range(4)) == [(True, 1, 1)] * 4


def test_a_map_inside_a_call_runs_in_place_and_a_call_inside_a_map(plan):
    def call(_):
        with joblib.parallel_config(backend="kubefuture"):
            return set(Parallel()(delayed(own_process)(x) for x in range(5))) == {os.getpid()}

    assert Parallel()(delayed(kf.map)(abs, [-1, x]) for x in range(4)) == [[1, x] for x in range(4)]
    assert kf.map(call, range(4)) == [True] * 4


def prepare(key, value):
    os.environ[key] = f"{os.environ.get(key, '')}{value}"


def prepared(key):
    return os.environ.get(key)


def test_joblibs_own_processes_are_not_started_inside_an_element(pool):
    def inner(_):
        return joblib.cpu_count(), set(Parallel(n_jobs=-1)(delayed(own_process)(x) for x in range(4))) == {
            os.getpid()
        }

    assert kf.map(inner, range(2)) == [(1, True)] * 2


def test_each_process_is_prepared_once_before_the_first_call(pool):
    key = f"PREPARED_{time.monotonic_ns()}"
    with Parallel(initializer=prepare, initargs=(key, "a")) as parallel:
        for _ in range(2):
            assert set(parallel(delayed(prepared)(key) for _ in range(20))) == {"a"}
    with joblib.parallel_config("kubefuture", initializer=prepare, initargs=(key, "b")):
        assert set(Parallel()(delayed(prepared)(key) for _ in range(20))) <= {"ab", "b"}


def test_functions_and_arguments_need_not_be_importable(plan):
    offset = 5
    results = Parallel()(delayed(lambda f, x: f(x) + offset)(lambda x: x * 2, x) for x in range(9))
    assert results == [x * 2 + 5 for x in range(9)]


def test_what_calls_print_appears_in_their_order(plan, capfd, checkpoint):
    def show(port, x):
        if port and reach(port, x):
            pass
        print("call", x)

    port = 0 if plan.kind == "sequential" else checkpoint.port
    results = Parallel(return_as="generator", batch_size=1)(delayed(show)(port, x) for x in range(2))
    if port:
        visits = {visit.label: visit for visit in checkpoint.take(2)}
        visits["1"].go()
        visits["0"].go()
    assert list(results) == [None, None]
    assert capfd.readouterr().out == "call 0\ncall 1\n"


def test_its_progress_is_shown(pool, capfd):
    shown = []

    def so_far():
        shown.append(capfd.readouterr().err)
        return "".join(shown)

    Parallel(verbose=5)(delayed(abs)(x) for x in range(20))
    eventually(lambda: "Done  20 out of  20" in so_far(), "the last line, which a thread of joblib's writes")
    assert "Using backend KubefutureBackend with 2 concurrent workers." in so_far()


def test_inputs_that_take_long_to_make_hold_nothing_else_up(pool):
    wanted, made = threading.Event(), threading.Event()

    def inputs():
        for x in range(12):
            if x == 10:
                wanted.set()
                assert made.wait(LIMIT)
            yield delayed(abs)(-x)

    results = Parallel(return_as="generator", batch_size=1)(inputs())
    assert wanted.wait(LIMIT)
    assert kf.map(abs, range(-5, 0)) == [5, 4, 3, 2, 1]
    made.set()
    assert list(results) == list(range(12))


def test_no_inputs_are_no_results(plan):
    assert Parallel()([]) == []


def test_global_random_numbers_are_none_of_our_business(plan):
    """Since joblib has no seeds, a warning would only tell users of what they cannot do."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Parallel()(delayed(np.random.random)() for _ in range(9))
