"""The user chooses how progress looks; a callable is told of each element, on every plan."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually


@pytest.mark.parametrize("call", ["map", "imap"])
def test_a_callable_is_told_how_many_are_done_and_of_how_many(plan, call):
    told = []
    list(
        getattr(kf, call)(
            abs, range(50), progress=lambda done, total: told.append((done, total)), chunk_size=7
        )
    )
    assert told == [(done, 50) for done in range(1, 51)]


def test_the_total_of_a_generator_is_unknown(plan):
    told = []
    kf.map(abs, (x for x in range(3)), progress=lambda *both: told.append(both))
    assert told == [(1, None), (2, None), (3, None)]


def test_an_error_in_the_callable_ends_the_map(plan):
    def fail(done, total):
        raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        kf.map(abs, range(100), progress=fail)
    assert kf.map(abs, [-1]) == [1]


def test_nothing_is_shown_when_nobody_looks(plan, capfd):
    kf.map(abs, range(10))
    kf.map(abs, range(10), progress=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [True, "fitting"])
def test_a_bar_that_was_asked_for_leaves_stdout_alone(plan, capfd, progress):
    assert kf.map(abs, range(10), progress=progress) == list(range(10))
    assert capfd.readouterr().out == ""


@contextmanager
def meanwhile(checkpoint, call):
    """A call in another thread; at the end of the block its elements may pass the checkpoint."""
    with ThreadPoolExecutor(1) as threads:
        try:
            yield threads.submit(call)
        finally:
            checkpoint.open()


class Terminal(io.StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self):
        return True


def look(monkeypatch):
    """Puts a terminal in the place of stderr. In the test itself: pytest changes stderr after its fixtures."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    return shown


def test_a_bar_is_there_by_default_on_a_terminal_and_says_who_works(pool, checkpoint, monkeypatch):
    terminal = look(monkeypatch)
    port = checkpoint.port

    def visit(number):
        reach(port)
        return number

    call = partial(kf.options(chunk_size=1, label="visiting").map, visit, range(4))
    with meanwhile(checkpoint, call) as results:
        eventually(lambda: "2 workers, 2 running]" in terminal.getvalue(), "the bar")
        assert "visiting:   0%" in terminal.getvalue() and "0/4" in terminal.getvalue()
    assert results.result() == list(range(4))
    assert terminal.getvalue().endswith("\r"), "it is gone when the map is over"


@pytest.mark.parametrize("call", ["map", "imap", "aio"])
def test_a_bar_shows_what_failed_and_what_was_retried(pool, checkpoint, tmp_path, call, monkeypatch):
    terminal = look(monkeypatch)
    port, flag, death = checkpoint.port, tmp_path / "flag", tmp_path / "death"

    def work(number):
        if number == 0 and not flag.exists():
            flag.touch()
            raise OSError("not yet")
        if number == 1:
            raise ValueError("never")
        if number == 2 and not death.exists():
            death.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 3:
            reach(port)
        return number

    options = kf.options(retries=1, on_error="return", chunk_size=1)
    ways = {
        "map": lambda: options.map(work, range(4)),
        "imap": lambda: list(options.imap(work, range(4))),
        "aio": lambda: asyncio.run(kf.aio.options(retries=1, on_error="return").map(work, range(4))),
    }
    with meanwhile(checkpoint, ways[call]) as results:
        # What the scheduler says may be shown a moment before the last result is counted.
        for part in ("2 workers, 1 running, 3 retried, 1 failed]", "3/4"):
            eventually(lambda part=part: part in terminal.getvalue(), f"the bar with {part}")
    assert [str(one) for one in results.result()] == ["0", "never", "2", "3"]


def test_a_named_map_that_is_attached_has_a_bar_that_says_who_works(pool, checkpoint, monkeypatch):
    terminal = look(monkeypatch)
    if pool.cluster is None:
        pytest.skip("only a cluster has a journal")
    port = checkpoint.port
    begin = partial(kf.map, lambda _: reach(port), range(2), name="watched", progress=False)
    with meanwhile(checkpoint, begin) as first:
        here = checkpoint.next()
        with meanwhile(checkpoint, partial(kf.attach, "watched")) as again:
            eventually(lambda: "running]" in terminal.getvalue(), "the bar")
            here.go()
        assert again.result() == first.result()
    kf.forget("watched")


def test_maps_inside_elements_have_no_bars(plan, monkeypatch):
    terminal = look(monkeypatch)

    def nested(number):
        return sum(kf.map(abs, range(number), progress=True))

    assert kf.map(nested, range(4), progress=False) == [0, 0, 1, 3]
    assert terminal.getvalue() == ""


def test_what_elements_print_does_not_break_the_bar(pool, checkpoint, monkeypatch):
    terminal = look(monkeypatch)
    port = checkpoint.port

    def speak(number):
        if number == 2:
            reach(port)
        print(f"element {number}", file=sys.stderr)

    with meanwhile(checkpoint, partial(kf.options(chunk_size=1).map, speak, range(4))) as results:
        eventually(lambda: "running]" in terminal.getvalue(), "the bar")
    results.result()
    lines = [part.rsplit("\r", 1)[-1] for part in terminal.getvalue().split("\n")]
    assert [line for line in lines if "element" in line] == [f"element {number}" for number in range(4)]


def test_a_bar_of_the_sequential_plan_shows_what_failed(monkeypatch):
    terminal = look(monkeypatch)
    monkeypatch.setattr("kubefuture.api.progress._FIRST_SHOWN", 0.0)
    monkeypatch.setattr("tqdm.std.tqdm.mininterval", 0.0, raising=False)
    with kf.plan("sequential"):
        assert len(kf.options(on_error="return").map(lambda x: 1 // x, [1, 0, 0, 1])) == 4
    assert "2 failed]" in terminal.getvalue() and "worker" not in terminal.getvalue()


@pytest.mark.parametrize("name", ["ZMQInteractiveShell", "Shell"])
def test_a_notebook_has_a_bar(plan, monkeypatch, capfd, name):
    jupyters = type("ZMQInteractiveShell", (), {})
    shell = jupyters() if name == jupyters.__name__ else type(name, (jupyters,), {})()  # as Colab's
    monkeypatch.setattr("kubefuture.api.progress._FIRST_SHOWN", 0.0)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with patch("tqdm.auto.tqdm") as tqdm:
        kf.map(abs, range(3))
    assert tqdm.call_args.kwargs["total"] == 3


def test_a_terminal_that_says_it_has_no_size_has_a_bar_too(pool, checkpoint, monkeypatch):
    ours, theirs = os.openpty()  # of no columns and rows as it begins
    with os.fdopen(theirs, "w") as terminal, open(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with meanwhile(checkpoint, lambda port=checkpoint.port: kf.map(partial(reach, port), range(2))):
            shown = b""
            while b"0/2" not in shown:
                shown += screen.read(1000)
