"""How an executor ends: with `shutdown`, with its last reference, with the program. A pool of its own goes with it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref

import kubefuture as kf
import pytest

from tests.faults import processes
from tests.faults.checkpoint import reach
from tests.faults.programs import environment, said
from tests.faults.waiting import LIMIT, eventually


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
    eventually(lambda: set(slots()) <= own_slots, "their end")
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
    eventually(lambda: set(slots()) <= own_slots, "its slot's end")


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
                works = executor.submit(abs, -2).result(LIMIT) - 2
                executor.shutdown()
            finally:
                os._exit(works)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert executor.submit(abs, -3).result() == 3


def run(folder, text: str) -> subprocess.CompletedProcess[str]:
    script = folder / "program.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, script], cwd=folder, env=environment(), capture_output=True, text=True, timeout=LIMIT
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
    assert not done.returncode and not said(done.stderr)
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
    assert done.stdout == "cannot schedule new futures after interpreter shutdown\n"
    assert not said(done.stderr)


def test_a_program_that_fails_finishes_what_it_submitted(tmp_path):
    done = run(
        tmp_path,
        "import kubefuture as kf, pathlib\n"
        "kf.ClusterExecutor(1).submit(pathlib.Path('a').touch)\n"
        "raise ValueError('wrong')\n",
    )
    assert done.returncode == 1 and (tmp_path / "a").exists()


def test_what_calls_printed_is_shown_when_the_program_ends(tmp_path):
    done = run(
        tmp_path,
        "import kubefuture as kf\n"
        "executor = kf.ClusterExecutor(2)\n"
        "futures = [executor.submit(print, number) for number in range(4)]\n"
        "kf.ClusterExecutor(1).submit(print, 'dropped').cancelled()\n"
        "executor.shutdown(wait=False)\n",
    )
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3", "dropped"] and not said(done.stderr)
