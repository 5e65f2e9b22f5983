"""ClusterExecutor takes the place of ProcessPoolExecutor, on every plan and as a pool of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import gc
import os
import pickle
import sys
import threading
import weakref

import kubefuture as kf
import pytest
from kubefuture.errors import PoisonError, ResultError, UnpicklableError

from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually


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


@pytest.mark.parametrize("set_up", [{}, {"initializer": abs, "initargs": (1,)}])
def test_an_error_in_a_chunk_says_which_element_it_was_and_what_that_was_given(plan, set_up):
    def check(number):
        if number == 13:
            raise ValueError("unlucky")
        return number

    with kf.ClusterExecutor(**set_up) as executor:
        results = executor.map(check, range(10, 20), chunksize=2)
        assert [next(results), next(results)] == [10, 11]
        with pytest.raises(ValueError, match="unlucky") as caught:
            next(results)
    (note,) = caught.value.__notes__
    assert note.startswith("kubefuture: element 3 of check, given 13")
    assert vars(caught.value).keys() == {"__notes__"}
    assert str(caught.value.__cause__).count("unlucky") == 2, "in the line of code, and as the error"


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


def test_an_executor_inside_an_element_runs_in_place(plan):
    def nested():
        with kf.ClusterExecutor(4) as executor:
            return {os.getpid()} == set(executor.map(lambda _: os.getpid(), range(4)))

    assert kf.future(nested).result()


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
        dropped = weakref.ref(future := executor.submit(print, "dropped"))
        cf.wait([future])
        del future
        eventually(lambda: gc.collect() >= 0 and dropped() is None, "nobody has it any more")
        shown = []

        def so_far():
            executor.submit(abs, -1).result()
            shown.append(capfd.readouterr().out)
            return "".join(shown)

        eventually(so_far, "what it printed")  # who has left it last may still be about to say so
        assert so_far() == "dropped\n"


def test_a_callback_may_submit_more(plan):
    with kf.ClusterExecutor() as executor:
        more = []
        called = threading.Event()

        def go_on(future):
            more.append(executor.submit(abs, -2))
            called.set()

        executor.submit(abs, -1).add_done_callback(go_on)
        assert called.wait(LIMIT)
        assert more[0].result() == 2
