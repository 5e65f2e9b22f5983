"""The same calls in an event loop: asyncio's and uvloop's, on every plan."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import aclosing

import kubefuture as kf
import pytest
import uvloop

from tests.faults.checkpoint import reach
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine in an event loop of either kind."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run_in(coroutine):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, LIMIT))

    return run_in


async def numbers(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def in_thread(function, *args):
    return await asyncio.to_thread(function, *args)


def test_a_future_can_be_awaited(plan, run):
    async def main():
        return await kf.future(abs, -1), await asyncio.gather(*[kf.future(abs, -n) for n in range(5)])

    assert run(main()) == (1, [0, 1, 2, 3, 4])


def test_map_gives_what_kf_map_does(plan, run):
    async def main():
        return [
            await kf.aio.map(abs, range(-300, 300)),
            await kf.aio.map(pow, [2, 3, 4], iter([1, 2])),
            await kf.aio.map(abs, []),
            await kf.aio.map(lambda x, rng: (x, rng.random()), range(20), seed=1),
            await kf.aio.future(pow, 2, exp=3),
        ]

    assert run(main()) == [
        kf.map(abs, range(-300, 300)),
        [2, 9],
        [],
        kf.map(lambda x, rng: (x, rng.random()), range(20), seed=1),
        8,
    ]


def test_imap_gives_results_in_order(plan, run):
    async def main():
        return [result async for result in kf.aio.imap(abs, range(-500, 0))]

    assert run(main()) == list(range(500, 0, -1))


def test_inputs_may_be_asynchronous(plan, run):
    async def main():
        both = [result async for result in kf.aio.imap(pow, numbers(50), [2] * 30)]
        return await kf.aio.map(abs, numbers(250)), both, await kf.aio.map(abs, numbers(0))

    assert run(main()) == (list(range(250)), [number**2 for number in range(30)], [])


def test_one_imap_can_be_the_input_of_another(plan, run):
    async def main():
        stream = kf.aio.imap(abs, range(150))
        for _ in range(5):
            stream = kf.aio.imap(lambda x: x + 1, stream)
        return [result async for result in stream]

    assert run(main()) == list(range(5, 155))


def test_R16_imap_reads_its_inputs_only_a_little_ahead(plan, run):
    read = []

    async def endless():
        number = 0
        while True:
            read.append(number)
            yield number
            number += 1
            await asyncio.sleep(0)

    async def main():
        async with aclosing(kf.aio.imap(abs, endless())) as results:
            for expected in range(10):
                assert await anext(results) == expected

    run(main())
    assert len(read) <= 10 + 101


def test_the_first_error_is_raised_as_itself(plan, run):
    async def main():
        with pytest.raises(ZeroDivisionError) as caught:
            await kf.aio.map(lambda x: 1 // x, [1, 0, 2])
        with pytest.raises(ZeroDivisionError):
            await kf.aio.future(divmod, 1, 0)
        got = await kf.aio.options(on_error="return").map(lambda x: 1 // x, [1, 0])
        return caught.value.__notes__[0], got

    note, got = run(main())
    assert "element 1" in note and got[0] == 1 and isinstance(got[1], ZeroDivisionError)


def test_what_failing_calls_print_is_shown(plan, run, capsys):
    def fail(word):
        print(word)
        raise LookupError(word)

    async def main():
        for call in (kf.future(fail, "one"), kf.aio.future(fail, "two"), kf.aio.map(fail, ["three"])):
            with pytest.raises(LookupError):
                await call

    run(main())
    assert capsys.readouterr().out.split() == ["one", "two", "three"]


def test_a_call_that_raises_StopIteration_ends_as_in_any_coroutine(plan, run):
    def stop():
        raise StopIteration

    async def main():
        for call in (kf.future(stop), kf.aio.future(stop)):
            with pytest.raises(RuntimeError, match=r"raised StopIteration") as caught:
                await call
            assert isinstance(caught.value.__cause__, StopIteration)

    run(main())


def test_tracebacks_have_none_of_our_frames(plan, run):
    async def taken(results):
        return [result async for result in results]

    async def main():
        later = kf.aio.options(retries=1)
        for call in (
            kf.future(divmod, 1, 0),
            kf.aio.future(divmod, 1, 0),
            kf.aio.map(divmod, [1], [0]),
            taken(kf.aio.imap(divmod, [1], [0])),
            later.future(divmod, 1, 0),
            later.map(divmod, [1], [0]),
            taken(later.imap(divmod, [1], [0])),
            kf.aio.map(abs, (1 // number for number in [0])),
        ):
            with pytest.raises(ZeroDivisionError) as caught:
                await call
            assert {frame.path.name for frame in caught.traceback} == {"test_async.py"}

    run(main())


def test_an_error_of_an_input_is_raised_and_the_rest_cancelled(plan, run):
    async def broken():
        yield 1
        raise LookupError("no more")

    async def main():
        for inputs in (broken(), (1 // number for number in (1, 0))):
            with pytest.raises((LookupError, ZeroDivisionError)):
                await kf.aio.map(abs, inputs)
        return await kf.aio.future(abs, -1)

    assert run(main()) == 1


def test_R21_cancelling_the_task_that_waits_stops_the_work(pool, run, checkpoint, all_slots_work):
    async def main():
        for work in (
            lambda: kf.aio.map(reach, [checkpoint.port] * 2),
            lambda: asyncio.gather(*[kf.aio.future(reach, checkpoint.port) for _ in range(2)]),
            lambda: asyncio.gather(*[kf.future(reach, checkpoint.port) for _ in range(2)]),
            lambda: anext(kf.aio.imap(reach, [checkpoint.port] * 2)),
        ):
            task = asyncio.ensure_future(work())
            visits = await in_thread(checkpoint.take, 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for visit in visits:
                await in_thread(visit.left)

    run(main())


def test_leaving_an_imap_stops_the_rest(pool, run, checkpoint, all_slots_work):
    async def main():
        async with aclosing(kf.aio.imap(reach, [checkpoint.port] * 10)) as results:
            first = asyncio.ensure_future(anext(results))
            one, other = await in_thread(checkpoint.take, 2)
            one.go("here")
            other.go("here")
            assert await first == "here"
            visits = await in_thread(checkpoint.take, 2)
        for visit in visits:
            await in_thread(visit.left)

    run(main())


def test_time_is_up_for_a_map(pool, run, checkpoint, all_slots_work):
    async def main():
        with pytest.raises(TimeoutError, match="did not finish within"):
            await kf.aio.map(reach, [checkpoint.port], timeout=0.05)

    run(main())
    assert kf.map(abs, [-1]) == [1]


def test_the_loop_goes_on_while_inputs_are_slow(plan, run):
    """An input waits for what only the loop can do."""
    turn = threading.Event()

    def slow():
        assert turn.wait(LIMIT)
        yield 1

    async def main():
        task = asyncio.ensure_future(kf.aio.map(abs, slow()))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, turn.set)
        return await task

    assert run(main()) == [1]


def test_no_thread_waits_for_a_map(pool, run, checkpoint):
    """More maps than the loop's pool has threads."""

    async def main():
        tasks = [asyncio.ensure_future(kf.aio.map(reach, [checkpoint.port])) for _ in range(100)]
        visits = await in_thread(checkpoint.take, 2)
        checkpoint.open()
        for visit in visits:
            visit.go()
        return await asyncio.gather(*tasks)

    assert run(main()) == [[""]] * 100


def test_several_loops_use_one_plan(plan):
    def loop(number, results):
        results[number] = asyncio.run(kf.aio.map(abs, range(100)))

    results = {}
    threads = [threading.Thread(target=loop, args=(number, results)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert results == {number: list(range(100)) for number in range(4)}


def test_asyncio_is_imported_on_first_use(tmp_path):
    text = "import sys, kubefuture as kf; print('asyncio' in sys.modules); kf.aio; print('asyncio' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.stdout == "False\nTrue\n", done.stderr
