"""ClusterExecutor takes the place of ProcessPoolExecutor, on every plan and as a pool of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import weakref

import kubefuture as kf
import pytest
from kubefuture.errors import BrokenPoolError, PoisonError, ResultError, UnpicklableError

from tests.faults import processes
from tests.faults.checkpoint import reach
from tests.faults.programs import environment
from tests.faults.waiting import eventually

prepared = None


@pytest.fixture
def no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has chosen one."""
    monkeypatch.setattr("kubefuture.api.plan._current", None)
    monkeypatch.delenv("KUBEFUTURE_PLAN", raising=False)
    monkeypatch.delenv("KUBEFUTURE_CONNECTION", raising=False)


@pytest.fixture
def own_slots(no_plan: None) -> set[int]:
    """The slots that were here before, for tests of those that an executor starts."""
    return set(slots())


def slots() -> list[int]:
    """Processes of all slots that this program has."""
    found = processes.living().values()
    return [one.pid for one in found if one.parent == os.getpid() and "worker.slot" in one.command]


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


class NeverPickled:
    def __reduce__(self):
        raise pickle.PicklingError("not me")


class NeverUnpickled:
    def __reduce__(self):
        return _raise, ()


class ExitsUnpickled:
    def __reduce__(self):
        return sys.exit, ()


class UnpicklableFailure(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def _raise():
    raise pickle.UnpicklingError("not me")


def raise_unpicklable():
    raise UnpicklableFailure(1, 2)


def test_it_is_an_executor_whose_futures_are_standard_ones(plan):
    with kf.ClusterExecutor() as executor:
        future = executor.submit(pow, 2, exp=5)
        assert isinstance(executor, cf.Executor) and isinstance(future, cf.Future)
        assert future.result() == 32


def test_map_gives_results_in_order_whatever_the_chunks(plan):
    with kf.ClusterExecutor() as executor:
        for chunksize in (1, 3, 100):
            assert list(executor.map(pow, range(10), range(10), chunksize=chunksize)) == [
                n**n for n in range(10)
            ]
        assert list(executor.map(abs, [])) == []


def test_the_first_error_of_a_map_is_raised_in_its_turn(plan):
    with kf.ClusterExecutor() as executor:
        results = executor.map(divmod, [1, 1, 1], [2, 0, 1])
        assert next(results) == (0, 1)
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert executor.submit(abs, -1).result() == 1


def test_buffersize_reads_only_so_far_ahead(plan):
    read = []

    def inputs():
        for number in range(100):
            read.append(number)
            yield number

    with kf.ClusterExecutor() as executor:
        results = executor.map(abs, inputs(), buffersize=3)
        assert len(read) == 3
        assert next(results) == 0 and len(read) == 4
        assert list(results) == list(range(1, 100))


def test_a_buffered_map_of_an_executor_that_was_shut_down_submits_no_more(plan):
    executor = kf.ClusterExecutor()
    results = executor.map(abs, range(10), buffersize=2)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        list(results)


@pytest.mark.parametrize("wrong", [{"chunksize": 0}, {"chunksize": -1}, {"buffersize": 0}])
def test_numbers_that_cannot_be_are_refused_as_in_the_standard_library(plan, wrong):
    with kf.ClusterExecutor() as executor, pytest.raises(ValueError, match=next(iter(wrong))):
        executor.map(abs, [1], **wrong)


def test_buffersize_is_a_whole_number(plan):
    with kf.ClusterExecutor() as executor, pytest.raises(TypeError, match="must be an integer or None"):
        executor.map(abs, [1], buffersize=1.5)  # type: ignore[arg-type]


def test_map_stops_waiting_when_time_is_up_and_cancels_the_rest(pool, checkpoint):
    with kf.ClusterExecutor() as executor:
        results = executor.map(reach, [checkpoint.port] * 2, timeout=0.01)
        visits = checkpoint.take(2)
        with pytest.raises(TimeoutError):
            next(results)
        for visit in visits:
            visit.left()


def test_wait_and_as_completed_take_its_futures(plan):
    with kf.ClusterExecutor() as executor:
        futures = [executor.submit(abs, -number) for number in range(20)]
        assert sorted(future.result() for future in cf.as_completed(futures)) == list(range(20))
        assert cf.wait(futures).not_done == set()


def test_an_event_loop_takes_it_as_an_executor(plan):
    async def main():
        loop = asyncio.get_running_loop()
        with kf.ClusterExecutor() as executor:
            wrapped = asyncio.wrap_future(executor.submit(abs, -2))
            return await asyncio.gather(loop.run_in_executor(executor, abs, -1), wrapped)

    assert asyncio.run(main()) == [1, 2]


def test_it_takes_work_from_many_threads(plan):
    with kf.ClusterExecutor() as executor, cf.ThreadPoolExecutor(8) as threads:
        futures = list(threads.map(lambda number: executor.submit(abs, -number), range(200)))
        assert [future.result() for future in futures] == list(range(200))


def test_it_takes_nothing_after_shutdown(plan):
    executor = kf.ClusterExecutor()
    executor.shutdown()
    for call in (executor.submit, executor.map):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            call(abs, [1])
    executor.shutdown()


def test_R10_shutdown_finishes_what_was_submitted(pool, checkpoint):
    executor = kf.ClusterExecutor()
    futures = [executor.submit(reach, checkpoint.port) for _ in range(4)]
    executor.shutdown(wait=False)
    checkpoint.open()
    executor.shutdown()
    assert all(future.done() for future in futures)


def test_R21_shutdown_cancels_only_what_no_slot_has(pool, checkpoint):
    executor = kf.ClusterExecutor()
    futures = [executor.submit(reach, checkpoint.port, number) for number in range(200)]
    visits = checkpoint.take(2)
    executor.shutdown(wait=False, cancel_futures=True)
    eventually(lambda: sum(future.cancelled() for future in futures) > 100, "their end")
    running = [futures[int(visit.label)] for visit in visits]
    assert not any(future.done() for future in running)
    for visit in visits:
        visit.go("done")
    checkpoint.open()
    executor.shutdown()
    assert [future.result() for future in running] == ["done", "done"]
    assert all(future.done() for future in futures)
    assert kf.map(abs, [-1]) == [1]


def test_shutdown_cancels_what_waits_to_be_sent_too(pool, checkpoint):
    """More than may be on the way: the rest is still here."""
    executor = kf.ClusterExecutor()
    first = [executor.submit(reach, checkpoint.port) for _ in range(2)]
    visits = checkpoint.take(2)
    large = [executor.submit(len, bytes(8 << 20)) for _ in range(12)]
    executor.shutdown(wait=False, cancel_futures=True)
    eventually(lambda: large[-1].cancelled(), "its end")
    for visit in visits:
        visit.go()
    executor.shutdown()
    assert all(future.done() for future in [*first, *large])


def test_an_argument_that_cannot_be_pickled_is_its_calls_error(plan):
    with kf.ClusterExecutor() as executor:
        future = executor.submit(id, NeverPickled())
        error = future.exception()
        assert isinstance(error, UnpicklableError) and isinstance(error, pickle.PicklingError)
        assert executor.submit(abs, -1).result() == 1


@pytest.mark.parametrize("result", [NeverPickled, NeverUnpickled, ExitsUnpickled])
def test_a_result_that_cannot_be_brought_back_is_its_calls_error(plan, result):
    with kf.ClusterExecutor() as executor:
        assert isinstance(executor.submit(result).exception(), ResultError)
        assert executor.submit(abs, -1).result() == 1


def test_an_argument_that_cannot_be_unpickled_is_its_calls_error(plan):
    with kf.ClusterExecutor() as executor:
        assert isinstance(executor.submit(id, NeverUnpickled()).exception(), pickle.UnpicklingError)
        assert executor.submit(abs, -1).result() == 1


def test_R18_an_exception_that_cannot_be_unpickled_is_quoted(plan):
    with kf.ClusterExecutor() as executor:
        assert "UnpicklableFailure" in str(executor.submit(raise_unpicklable).exception())
        assert executor.submit(abs, -1).result() == 1


def test_R19_a_call_that_kills_its_process_does_not_break_the_executor(pool):
    with kf.ClusterExecutor() as executor:
        killed = executor.submit(os._exit, 3)
        others = [executor.submit(abs, -number) for number in range(10)]
        assert isinstance(killed.exception(), PoisonError)
        assert [future.result() for future in others] == list(range(10))
        assert executor.submit(abs, -1).result() == 1


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


def test_an_executor_inside_an_element_runs_in_place(plan):
    def nested():
        with kf.ClusterExecutor(4) as executor:
            return {os.getpid()} == set(executor.map(lambda _: os.getpid(), range(4)))

    assert kf.future(nested).result()


def test_it_uses_the_plan_and_leaves_it_running(pool):
    before = set(pool.slots())
    with kf.ClusterExecutor(7) as executor:
        assert {executor.submit(os.getpid).result()} <= set(pool.slots())
        assert executor._max_workers == 2
    assert set(pool.slots()) == before


def test_without_a_plan_it_is_a_pool_of_its_own_that_ends_with_it(own_slots):
    with kf.ClusterExecutor(3) as executor:
        assert executor.submit(os.getpid).result() in set(slots()) - own_slots
        eventually(lambda: len(set(slots()) - own_slots) == 3, "three slots")
    eventually(lambda: set(slots()) == own_slots, "their end")
    assert repr(kf.plan("sequential")) == "plan('sequential')", "nothing was chosen by that"


def test_a_connection_file_is_not_searched(no_plan, tmp_path, monkeypatch):
    (tmp_path / ".kubefuture").mkdir()
    (tmp_path / ".kubefuture" / "connection.json").write_text("nonsense")
    monkeypatch.chdir(tmp_path)
    with kf.ClusterExecutor(1) as executor:
        assert executor.submit(abs, -1).result() == 1


def test_an_executor_that_nobody_has_any_more_ends_when_its_work_has(own_slots, checkpoint):
    executor = kf.ClusterExecutor(1)
    future = executor.submit(reach, checkpoint.port)
    visit = checkpoint.next()
    known = weakref.ref(executor)
    del executor
    gc.collect()
    assert known() is None and not future.done()
    visit.go("finished")
    assert future.result() == "finished"
    eventually(lambda: set(slots()) == own_slots, "its slot's end")


def test_several_pools_do_not_know_each_other(own_slots):
    with kf.ClusterExecutor(1) as first, kf.ClusterExecutor(1) as second:
        assert first.submit(os.getpid).result() != second.submit(os.getpid).result()


def test_an_executor_works_in_a_fork_of_its_program(plan):
    with kf.ClusterExecutor() as executor:
        assert executor.submit(abs, -1).result() == 1
        pid = os.fork()
        if not pid:
            works = 1
            try:
                works = executor.submit(abs, -2).result(30) - 2
                executor.shutdown()
            finally:
                os._exit(works)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert executor.submit(abs, -3).result() == 3


def run(folder, text: str) -> subprocess.CompletedProcess[str]:
    script = folder / "program.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, script], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )


def test_R10_a_program_that_ends_finishes_what_it_submitted(tmp_path):
    done = run(
        tmp_path,
        "import kubefuture as kf, pathlib, time\n"
        "def late(name):\n"
        "    time.sleep(0.2)\n"
        "    pathlib.Path(name).touch()\n"
        "executor = kf.ClusterExecutor(2)\n"
        "for name in 'abcd':\n"
        "    executor.submit(late, name)\n"
        "executor.shutdown(wait=False)\n"
        "kf.ClusterExecutor(1).submit(late, 'e')\n",
    )
    assert not done.returncode and not done.stderr
    assert all((tmp_path / name).exists() for name in "abcde")


def test_a_program_that_ends_takes_nothing_new(tmp_path):
    done = run(
        tmp_path,
        "import atexit\n"
        "@atexit.register\n"
        "def last():\n"
        "    try:\n"
        "        executor.submit(abs, -1)\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
        "import kubefuture as kf\n"
        "executor = kf.ClusterExecutor(1)\n"
        "executor.submit(abs, -1).result()\n",
    )
    assert done.stdout == "cannot schedule new futures after interpreter shutdown\n" and not done.stderr


def test_a_program_that_fails_finishes_what_it_submitted(tmp_path):
    done = run(
        tmp_path,
        "import kubefuture as kf, pathlib\n"
        "kf.ClusterExecutor(1).submit(pathlib.Path('a').touch)\n"
        "raise ValueError('wrong')\n",
    )
    assert done.returncode == 1 and (tmp_path / "a").exists()


def test_what_calls_print_is_shown_even_if_nobody_asks_for_their_results(plan, capfd):
    with kf.ClusterExecutor() as executor:
        executor.submit(print, "asked").result()
        kept = executor.submit(print, "kept")
        for number in range(3):
            executor.submit(print, f"dropped {number}")
    assert sorted(capfd.readouterr().out.splitlines()) == [
        "asked", "dropped 0", "dropped 1", "dropped 2", "kept",
    ]  # fmt: skip
    assert kept.result() is None
    assert not capfd.readouterr().out, "each is shown once"


def test_what_dropped_calls_printed_is_shown_by_the_next_call(plan, capfd):
    with kf.ClusterExecutor(1) as executor:
        cf.wait([executor.submit(print, "dropped")])
        gc.collect()
        executor.submit(abs, -1).result()
        assert capfd.readouterr().out == "dropped\n"


def test_what_calls_printed_is_shown_when_the_program_ends(tmp_path):
    done = run(
        tmp_path,
        "import kubefuture as kf\n"
        "executor = kf.ClusterExecutor(2)\n"
        "futures = [executor.submit(print, number) for number in range(4)]\n"
        "kf.ClusterExecutor(1).submit(print, 'dropped').cancelled()\n"
        "executor.shutdown(wait=False)\n",
    )
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3", "dropped"] and not done.stderr


def test_a_callback_may_submit_more(plan):
    with kf.ClusterExecutor() as executor:
        more = []
        called = threading.Event()

        def go_on(future):
            more.append(executor.submit(abs, -2))
            called.set()

        executor.submit(abs, -1).add_done_callback(go_on)
        assert called.wait(30)
        assert more[0].result() == 2
