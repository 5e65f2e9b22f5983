"""How an executor is set up: its arguments are checked as in the standard library, its processes are prepared."""

from __future__ import annotations

import concurrent.futures as cf
import multiprocessing

import kubefuture as kf
import pytest
from kubefuture.errors import BrokenPoolError

from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually

prepared = None


def prepare(value):
    global prepared
    prepared = value


def is_prepared():
    return prepared


def fail_to_prepare():
    raise ValueError("no licence")


def fail_at(port):
    reach(port)
    raise ValueError("no licence")


def test_the_initializer_prepares_every_process_once(plan):
    with kf.ClusterExecutor(initializer=prepare, initargs=("ready",)) as executor:
        assert set(executor.map(lambda _: is_prepared(), range(20))) == {"ready"}


def test_what_the_initializer_assigned_is_seen_by_a_scripts_own_functions(plan, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "import kubefuture as kf\n"
        "connection = None\n"
        "begun = []\n"
        "def connect(to):\n"
        "    global connection\n"
        "    assert connection is None\n"
        "    connection = (to, os.getpid())\n"
        "def helper():\n"
        "    return connection\n"
        "def use(number):\n"
        "    return helper() == ('there', os.getpid())\n"
        "if __name__ == '__main__':\n"
        "    with kf.ClusterExecutor(initializer=connect, initargs=('there',)) as executor:\n"
        "        print(all(executor.map(use, range(20))), all(executor.map(use, range(20), chunksize=5)))\n"
    )
    done = plan.run(script, tmp_path)
    assert done.stdout == "True True\n", done.stderr


def test_an_initializer_that_fails_breaks_the_executor_and_nothing_else(plan):
    executor = kf.ClusterExecutor(initializer=fail_to_prepare)
    future = executor.submit(abs, -1)
    error = future.exception()
    assert isinstance(error, cf.BrokenExecutor) and "no licence" in str(error)
    eventually(lambda: executor._broken, "the executor's end")
    with pytest.raises(BrokenPoolError, match="no licence"):
        executor.submit(abs, -1)
    executor.shutdown()
    assert kf.map(abs, [-1]) == [1]


def test_an_initializer_that_fails_ends_what_is_pending(pool, checkpoint):
    executor = kf.ClusterExecutor(initializer=fail_at, initargs=(checkpoint.port,))
    futures = [executor.submit(abs, -1) for _ in range(50)]
    checkpoint.open()
    assert all(isinstance(future.exception(), BrokenPoolError) for future in futures)
    executor.shutdown()


@pytest.mark.parametrize("number", [0, -1])
def test_the_number_of_workers_is_at_least_one(plan, number):
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        kf.ClusterExecutor(number)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_workers": "2"},
        {"max_workers": True},
        {"initializer": 1},
        {"mp_context": "spawn"},
        {"max_tasks_per_child": 1.0},
    ],
)
def test_arguments_of_another_type_are_refused(plan, wrong):
    with pytest.raises(TypeError, match=next(iter(wrong))):
        kf.ClusterExecutor(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tasks_per_child": 0},
        {"max_tasks_per_child": 3},
        {"mp_context": multiprocessing.get_context("fork")},
    ],
)
def test_what_cannot_be_had_is_refused_by_name(plan, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kf.ClusterExecutor(**wrong)


def test_a_context_that_starts_processes_afresh_changes_nothing(plan):
    with kf.ClusterExecutor(mp_context=multiprocessing.get_context("spawn")) as executor:
        assert executor.submit(abs, -1).result() == 1
