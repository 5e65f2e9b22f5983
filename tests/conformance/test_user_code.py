"""What the user's program does beside its work: forks, callbacks that take locks, very many functions."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
import weakref

import kubefuture as kf
import pytest

from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually

FORKS = """
import os
import sys
import kubefuture as kf
import pytest

results, future = kf.imap(abs, range(300)), kf.future(abs, -7)
first = next(results)
child = os.fork()
if child == 0:
    try:
        list(results)
        sys.exit("a fork read its parent's results")
    except kf.KubefutureError:
        future.cancel()
        sys.exit(0 if kf.map(abs, range(-3, 0)) == [3, 2, 1] else 2)
assert os.waitpid(child, 0)[1] == 0
assert [first, *results] == list(range(300)) and future.result() == 7
assert kf.map(abs, range(-3, 0)) == [3, 2, 1]
"""


def test_a_fork_of_the_program_leaves_its_parents_work_alone_and_has_its_own(pool, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FORKS)
    ended = pool.run(script, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


FORK_AT_A_BAD_MOMENT = """
import os
import sys
import threading
import kubefuture as kf

began, forked = threading.Event(), threading.Event()


def made():
    began.set()
    forked.wait()
    return 7


class Slow:
    def __reduce__(self):
        return eval, ("__import__('__main__').made()",)


def slow():
    return Slow()


def hold(future):
    with future._condition:
        held.set()
        forked.wait()


arriving, held = kf.future(slow), threading.Event()
began.wait()  # the thread that gives futures their results is at it
waiting = kf.future(abs, -7)
arriving.add_done_callback(lambda future: print("called back", flush=True))
threading.Thread(target=hold, args=[waiting]).start()
held.wait()
child = os.fork()
if child == 0:
    for future in [arriving, waiting]:
        try:
            future.result(30)
            sys.exit("a fork has its parent's result")
        except kf.KubefutureError as error:
            assert "forked" in str(error), error
        future.cancel()
    sys.exit(0 if kf.map(abs, range(-3, 0)) == [3, 2, 1] else 2)
assert os.waitpid(child, 0)[1] == 0
forked.set()
assert arriving.result() == waiting.result() == 7
"""


def test_a_fork_while_a_future_gets_its_result_waits_for_nothing(pool, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FORK_AT_A_BAD_MOMENT)
    ended = pool.run(script, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "called back\n"), ended.stderr


def test_a_callback_may_take_a_lock_under_which_work_is_submitted(pool):
    lock, done = threading.Lock(), []

    def note(future):
        with lock:
            done.append(future.result())

    futures = []
    for number in range(300):
        with lock:
            futures.append(kf.future(abs, -number))
            futures[-1].add_done_callback(note)
        if number % 10 == 0:
            futures[number // 2].result()  # so that results come in while more is submitted
    kf.value(futures)
    eventually(lambda: len(done) == 300, "all callbacks, in whichever thread")
    with lock:
        assert sorted(done) == list(range(300))


def test_a_callback_that_exits_ends_nothing_but_itself(pool, capfd):
    future = kf.future(abs, -1)
    future.add_done_callback(lambda _: sys.exit("of a callback"))
    future.result()
    assert kf.map(abs, [-2]) == [2]
    # It is printed after the result is there; the next test must not get it.
    assert eventually(lambda: "of a callback" in capfd.readouterr().err, "the report")


def test_a_callback_that_fails_where_nothing_can_be_printed_ends_nothing_but_itself(pool, monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    called = threading.Event()

    def fails(_):
        called.set()
        sys.exit("of a callback")

    future = kf.future(abs, -1)
    future.add_done_callback(fails)
    called.wait(LIMIT)
    assert kf.map(abs, [-2]) == [2]


def test_the_length_of_the_results_is_that_of_the_iteration(plan):
    class Table:
        def __len__(self):
            return 10

        def __iter__(self):
            return iter([-1, -2, -3])

    assert kf.map(abs, Table()) == [1, 2, 3]


def test_work_begins_while_slow_inputs_are_read(pool, tmp_path):
    def touch(name):
        (tmp_path / name).touch()
        return name

    def inputs():
        yield "one"
        time.sleep(0.02)  # this is slow
        yield "two"
        eventually((tmp_path / "one").exists, "an element that ran before all inputs were read")
        yield "three"

    assert list(kf.imap(touch, inputs())) == ["one", "two", "three"]


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_a_program_may_have_closed_its_terminal(pool, tmp_path, closed):
    script = tmp_path / "script.py"
    script.write_text(
        "import kubefuture as kf\n"
        "answer = [*kf.map(abs, [-1, 2]), kf.future(abs, -3).result()]\n"
        "open('answer', 'w').write(str(answer))\n"
    )
    ended = subprocess.run(
        f'"{sys.executable}" script.py {closed}',
        shell=True,
        cwd=tmp_path,
        env=environment(**pool.environment),
        timeout=LIMIT,
        check=False,
    )
    assert ended.returncode == 0
    assert (tmp_path / "answer").read_text() == "[1, 2, 3]"


def test_any_number_of_functions_may_be_under_way(pool):
    functions = 200

    def adds(number):
        return lambda x: x + number

    futures = [kf.future(adds(number), 1) for number in range(functions)]
    seeded = [kf.options(seed=number).future(lambda rng: rng.random()) for number in range(functions)]
    assert kf.value(futures) == [1 + number for number in range(functions)]
    assert len(set(kf.value(seeded))) == functions
    assert kf.future(adds(0), 1).result() == 1, "also those that were dropped on the other side"


def test_a_future_that_is_done_is_not_kept_until_its_time_is_up(pool):
    future = kf.options(timeout=3600).future(abs, -1)
    assert future.result() == 1
    known = weakref.ref(future)
    del future
    eventually(lambda: known() is None, "the future's end")


def test_threads_that_come_first_at_the_same_time_share_one_plan(pool, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        "import kubefuture as kf\n"
        "from kubefuture.api.plan import current_plan\n"
        "together = Barrier(8)\n"
        "def first(_):\n"
        "    together.wait()\n"
        "    return id(current_plan().backend())\n"
        "with ThreadPoolExecutor(8) as threads:\n"
        "    print(len(set(threads.map(first, range(8)))))\n"
    )
    ended = pool.run(script, tmp_path)
    assert ended.stdout == "1\n", ended.stderr
