"""joblib's parallel calls that fail, take too long or are not wanted any more end as with joblib's own processes."""

from __future__ import annotations

import pickle
import signal
import threading
from multiprocessing import TimeoutError as OverTime

import kubefuture as kf
import pytest
from joblib import Parallel, delayed
from kubefuture.api.futures import submit_packed
from kubefuture.backends.capabilities import CAPABILITIES, Capability

from tests.faults.checkpoint import reach
from tests.faults.ctrl_c import pressed_at

KINDS = list(CAPABILITIES)

pytestmark = pytest.mark.usefixtures("joblib_runs_on_plan")


def ended_or_let_go(pool, checkpoint, visits):
    """Calls that ran are stopped where the plan can do that, and the next ones run."""
    for visit in visits:
        if Capability.STOP in pool.plan.capabilities:
            visit.left()
        visit.go()
    checkpoint.open()
    assert Parallel()([delayed(abs)(-1)]) == [1]


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
    ended_or_let_go(pool, checkpoint, visits)


def test_R22_a_call_that_takes_too_long_is_an_error_and_is_stopped(pool, checkpoint):
    results = Parallel(timeout=0.2, batch_size=1, return_as="generator")(
        delayed(reach)(checkpoint.port) for _ in range(2)
    )
    visits = checkpoint.take(2)
    with pytest.raises(OverTime):
        next(results)
    if Capability.STOP in pool.plan.capabilities:
        for visit in visits:
            visit.left()
    checkpoint.open()


def test_R21_control_c_stops_everything(pool, checkpoint):
    with pressed_at(checkpoint, 2) as visits:
        Parallel(batch_size=1)(delayed(reach)(checkpoint.port, number) for number in range(9))
    ended_or_let_go(pool, checkpoint, visits)


def test_R21_control_c_just_when_a_call_has_been_started_stops_that_too(pool, checkpoint, monkeypatch):
    started = []

    def interrupted(*given, **more):
        started.append(submit_packed(*given, **more))
        if len(started) == 1:
            signal.raise_signal(signal.SIGINT)
        return started[-1]

    monkeypatch.setattr("kubefuture.joblib_backend.call.submit_packed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Parallel(batch_size=1)(delayed(reach)(checkpoint.port) for _ in range(3))
    assert started and all(future.cancelled() for future in started)
    checkpoint.open()


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


def test_an_error_of_the_inputs_arrives_as_itself(plan):
    def inputs():
        yield from [delayed(abs)(-x) for x in range(12)]
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        Parallel()(inputs())
