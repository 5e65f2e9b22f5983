"""joblib's parallel calls, and with them scikit-learn's, run on every plan as they do on joblib's own processes."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import time
import warnings
from multiprocessing import TimeoutError as OverTime

import joblib
import kubefuture as kf
import numpy as np
import pytest
from joblib import Parallel, delayed
from kubefuture.backends.capabilities import CAPABILITIES, Capability
from kubefuture.core import blobs

from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually

KINDS = list(CAPABILITIES)

LARGE = 1 << 18
"""So many float64 are 2 MiB."""


@pytest.fixture(autouse=True)
def chosen(plan):
    """As a user chooses it, for all that is in the block."""
    with joblib.parallel_config(backend="kubefuture"):
        yield


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
    taken = []

    def inputs():
        for x in range(50):
            taken.append(x)
            yield delayed(abs)(-x)

    results = Parallel(return_as="generator", batch_size=1)(inputs())
    assert next(results) == 0 and len(taken) < 50
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


def fail(x):
    if x == 3:
        raise FileNotFoundError(2, "gone", "/some/where")
    return x


def test_R18_an_error_arrives_as_itself_and_the_object_can_be_used_again(plan):
    with Parallel() as parallel:
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match="gone") as caught:
                parallel(delayed(fail)(x) for x in range(20))
            assert caught.value.filename == "/some/where"
            assert parallel(delayed(abs)(x) for x in range(9)) == list(range(9))


def test_R18_an_error_says_which_call_it_was_and_where(pool):
    with pytest.raises(FileNotFoundError) as caught:
        Parallel(batch_size=1)(delayed(fail)(x) for x in range(20))
    assert "future fail, given fail(3), in" in caught.value.__notes__[0]
    assert "in fail" in str(caught.value.__cause__)


def test_R21_an_error_stops_the_calls_that_run(pool, checkpoint):
    def fail_when_told(port, number):
        if reach(port, number) == "fail":
            raise KeyError(number)

    results = Parallel(return_as="generator", batch_size=1)(
        delayed(fail_when_told)(checkpoint.port, number) for number in range(9)
    )
    first, second = checkpoint.take(2)
    first.go("fail")
    with pytest.raises(KeyError):
        list(results)
    if Capability.STOP in pool.plan.capabilities:
        second.left()
    second.go()
    checkpoint.open()


def test_R21_whoever_closes_the_results_stops_the_rest(pool, checkpoint):
    results = Parallel(return_as="generator", batch_size=1)(
        delayed(reach)(checkpoint.port, number) for number in range(9)
    )
    visits = checkpoint.take(2)
    with pytest.warns(UserWarning, match="have been cancelled"):
        results.close()
    for visit in visits:
        if Capability.STOP in pool.plan.capabilities:
            visit.left()
        visit.go()
    checkpoint.open()
    assert Parallel()([delayed(abs)(-1)]) == [1]


def test_R22_a_call_that_takes_too_long_is_an_error_and_is_stopped(pool, checkpoint):
    with pytest.raises(OverTime):
        Parallel(timeout=0.2, batch_size=1)(delayed(reach)(checkpoint.port) for _ in range(2))
    if Capability.STOP in pool.plan.capabilities:
        for visit in checkpoint.take(2):
            visit.left()
    checkpoint.open()


def test_R21_control_c_stops_everything(pool, checkpoint):
    def interrupt():
        visits.extend(checkpoint.take(2))
        os.kill(os.getpid(), signal.SIGINT)

    visits = []
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Parallel(batch_size=1)(delayed(reach)(checkpoint.port, number) for number in range(9))
    thread.join()
    for visit in visits:
        if Capability.STOP in pool.plan.capabilities:
            visit.left()
        visit.go()
    checkpoint.open()
    assert Parallel()([delayed(abs)(-1)]) == [1]


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


@pytest.mark.parametrize("bad", [0, 30])
def test_what_cannot_be_sent_is_an_error(pool, bad):
    inputs = [threading.Lock() if x == bad else x for x in range(40)]
    with pytest.raises(pickle.PicklingError, match="cannot be sent") as caught:
        Parallel(batch_size=1)(delayed(id)(x) for x in inputs)
    assert isinstance(caught.value, kf.KubefutureError)


class Model:
    """Holds what cannot be sent."""

    def __init__(self):
        self.lock = threading.Lock()


def test_what_cannot_be_sent_is_named_as_the_users_own_argument(pool):
    with pytest.raises(pickle.PicklingError) as caught:
        Parallel(batch_size=4)(delayed(id)(Model() if x == 2 else x) for x in range(40))
    assert "Argument 1 (a Model)" in str(caught.value) and ".lock" in str(caught.value)
    assert "Batch" not in str(caught.value) and "_calls" not in str(caught.value)


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
    Parallel(verbose=5)(delayed(abs)(x) for x in range(20))
    shown = capfd.readouterr().err
    assert "Using backend KubefutureBackend with 2 concurrent workers." in shown
    assert "Done  20 out of  20" in shown


def test_inputs_that_take_long_to_make_hold_nothing_else_up(pool):
    wanted, made = threading.Event(), threading.Event()

    def inputs():
        for x in range(12):
            if x == 10:
                wanted.set()
                assert made.wait(30)
            yield delayed(abs)(-x)

    results = Parallel(return_as="generator", batch_size=1)(inputs())
    assert wanted.wait(30)
    assert kf.map(abs, range(-5, 0)) == [5, 4, 3, 2, 1]
    made.set()
    assert list(results) == list(range(12))


def test_an_error_of_the_inputs_arrives_as_itself(plan):
    def inputs():
        yield from [delayed(abs)(-x) for x in range(12)]
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        Parallel()(inputs())


def test_no_inputs_are_no_results(plan):
    assert Parallel()([]) == []


def test_global_random_numbers_are_none_of_our_business(plan):
    """Since joblib has no seeds, a warning would only tell users of what they cannot do."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Parallel()(delayed(np.random.random)() for _ in range(9))


@pytest.fixture
def hashed(monkeypatch):
    """The sizes of what was copied and hashed, in the order of that."""
    sizes = []
    keep = blobs.keep

    def noted(buffers):
        sizes.append(sum(buffer.nbytes for buffer in buffers))
        return keep(buffers)

    monkeypatch.setattr("kubefuture.core.remembered.keep", noted)
    return sizes


def test_R26_a_large_array_is_sent_once_however_often_it_is_passed(pool, hashed, checkpoint):
    before = set(blobs._living)
    array = np.arange(LARGE, dtype=float)
    columns = np.asfortranarray(array.reshape(512, -1))

    def look(port, given, other):
        if port:
            reach(port)
        return float(given.sum() + other["x"].sum())

    results = Parallel(batch_size=1, return_as="generator")(
        delayed(look)(checkpoint.port if x < 2 else 0, array, {"x": columns}) for x in range(30)
    )
    for visit in checkpoint.take(2):
        visit.go()
    assert list(results) == [2 * array.sum()] * 30
    assert hashed == [array.nbytes, array.nbytes]
    eventually(lambda: set(blobs._living) <= before, "the memory is given back")


def test_large_arrays_are_read_only_as_with_joblibs_own_processes(pool):
    def spoil(given):
        given[:] = 1

    with pytest.raises(ValueError, match="read-only"):
        Parallel()(delayed(spoil)(np.zeros(LARGE)) for _ in range(3))


@pytest.mark.parametrize("options", [{"mmap_mode": "c"}, {"mmap_mode": None}, {"max_nbytes": None}])
def test_R26_a_call_that_asked_for_it_may_write_to_a_large_array_and_no_other_sees_it(pool, options):
    array = np.zeros(LARGE)

    def spoil(given, x):
        seen = float(given.sum())
        given[:] = x
        return seen, float(given[-1])

    results = Parallel(batch_size=1, **options)(delayed(spoil)(array, x) for x in range(9))
    assert results == [(0.0, float(x)) for x in range(9)]
    assert not array.any()


@pytest.mark.parametrize("mode", ["r+", "w+"])
def test_nobody_waits_for_what_calls_write_to_memory(pool, mode):
    with pytest.raises(kf.KubefutureError, match="no memory in common"):
        Parallel(mmap_mode=mode)(delayed(abs)(x) for x in range(9))


def test_R27_an_array_that_was_changed_between_two_calls_is_sent_anew(plan):
    array = np.zeros(LARGE)
    with Parallel() as parallel:
        for turn in range(3):
            array[0] = turn
            assert parallel(delayed(np.sum)(array) for _ in range(6)) == [turn] * 6


def test_R29_the_memory_of_an_array_that_is_passed_once_is_given_back_with_its_call(pool):
    before, most = set(blobs._living), 0

    def inputs():
        nonlocal most
        for x in range(40):
            gc.collect()
            most = max(most, len(set(blobs._living) - before))
            yield delayed(np.sum)(np.full(LARGE, float(x)))

    assert Parallel(batch_size=1, pre_dispatch=4)(inputs()) == [float(x * LARGE) for x in range(40)]
    assert most <= 10


def test_scikit_learn_searches_and_validates_with_the_same_results(plan):
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    x, y = make_classification(200, 10, random_state=1)
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3)
    with joblib.parallel_config(backend="sequential"):
        expected = search.fit(x, y).cv_results_["mean_test_score"]
        nested = cross_val_score(search, x, y, cv=3)
        grown = RandomForestClassifier(8, random_state=2).fit(x, y).predict_proba(x)
    assert (search.fit(x, y).cv_results_["mean_test_score"] == expected).all()
    assert (cross_val_score(search.set_params(n_jobs=-1), x, y, cv=3, n_jobs=-1) == nested).all()
    forest = RandomForestClassifier(8, random_state=2, n_jobs=-1).fit(x, y)
    assert np.allclose(forest.predict_proba(x), grown, rtol=1e-12)
