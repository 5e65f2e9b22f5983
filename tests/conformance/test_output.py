"""What elements print, warn and log appears where they were called, once, in their order, and stops nothing (R19)."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import kubefuture as kf
import pytest
from kubefuture.errors import PoisonError

from tests.conformance.timing import TASK_TIMEOUT
from tests.faults.checkpoint import reach
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture
def printed(pool, capfd):
    """What no result takes along: a function that returns stdout and stderr so far, or the worker's log twice."""
    said = ["", ""]

    def so_far():
        if pool.cluster is not None:
            return [pool.cluster.worker.text()] * 2
        for number, text in enumerate(capfd.readouterr()):
            said[number] += text
        return said

    return so_far


def relayed(call):
    """What a call gives out in this process: stdout and stderr."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        call()
    return stdout.getvalue(), stderr.getvalue()


def speak(number):
    print(f"stdout {number}: ä")
    print(f"stderr {number}: ö", file=sys.stderr)
    return number


NUMBERS = range(50)
STDOUT = "".join(f"stdout {number}: ä\n" for number in NUMBERS)
STDERR = "".join(f"stderr {number}: ö\n" for number in NUMBERS)


def test_value_relays_futures_in_order(pool):
    futures = [kf.future(speak, number) for number in NUMBERS]
    assert relayed(lambda: kf.value(futures)) == (STDOUT, STDERR)


def test_waiting_for_futures_and_asking_for_their_errors_relays_nothing(pool):
    futures = [kf.future(speak, number) for number in NUMBERS]

    def ask():
        wait(futures, return_when=FIRST_EXCEPTION)
        assert [future.exception() for future in futures] == [None] * len(NUMBERS)

    assert relayed(ask) == ("", "")
    assert relayed(lambda: kf.value(futures)) == (STDOUT, STDERR)


def test_children_and_c_code_are_heard_in_order_and_never_mixed(pool):
    def everybody(number):
        print(f"python {number}")
        subprocess.run(["echo", f"child {number}"])
        os.write(1, f"descriptor {number}\n".encode())

    wanted = "".join(f"python {one}\nchild {one}\ndescriptor {one}\n" for one in range(8))
    assert relayed(lambda: kf.options(chunk_size=4).map(everybody, range(8))) == (wanted, "")


def test_what_an_element_printed_before_its_time_was_up_arrives(pool, overdue):
    def linger(_):
        print("before")
        overdue()
        while True:
            time.sleep(0.01)

    def call():
        with pytest.raises(TimeoutError):
            kf.options(task_timeout=TASK_TIMEOUT).map(linger, [0])

    assert relayed(call) == ("before\n", "")


def test_a_rerun_takes_the_place_of_the_run_before(pool, tmp_path):
    def second_time(flag):
        print("run", flag.exists())
        if not flag.exists():
            flag.touch()
            raise OSError("not yet")

    assert relayed(lambda: kf.options(retries=1).map(second_time, [tmp_path / "flag"])) == ("run True\n", "")


def test_log_records_keep_logger_level_and_text_and_say_where_they_are_from(pool, caplog):
    def log(number):
        logging.getLogger("of.the.user").info("about %s", number)
        logging.getLogger("of.the.user").debug("not wanted")
        try:
            raise ValueError(number)
        except ValueError:
            logging.getLogger("other").exception("went wrong")

    with caplog.at_level(logging.INFO):
        kf.map(log, range(3))
    ours = [record for record in caplog.records if record.name in ("of.the.user", "other")]
    assert [(one.name, one.levelno, one.getMessage(), one.element) for one in ours] == [
        entry
        for number in range(3)
        for entry in (
            ("of.the.user", logging.INFO, f"about {number}", number),
            ("other", logging.ERROR, "went wrong", number),
        )
    ]
    assert "ValueError: 0" in ours[1].exc_text
    assert all(":" in one.worker for one in ours)


def test_what_is_printed_and_warned_keeps_its_order(pool):
    def both(_):
        print("before")
        warnings.warn("between", stacklevel=1)
        print("after")

    with contextlib.redirect_stdout(io.StringIO()) as said, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: said.write(f"{message}\n")
        kf.map(both, [0])
    assert said.getvalue() == "before\nbetween\nafter\n"


def test_R16_a_million_lines_are_cut_and_the_cut_is_said(pool):
    def chatter(_):
        for number in range(100):
            os.write(1, b"".join(b"line %d\n" % (number * 10_000 + line) for line in range(10_000)))

    stdout, _ = relayed(lambda: kf.map(chatter, [0]))
    assert stdout.startswith("line 0\n")
    assert stdout.endswith("line 999999\n")
    assert stdout.count("[kubefuture: this element printed more than 1 MiB") == 1
    assert len(stdout) < (1 << 20) + 200


def test_R16_a_flood_of_warnings_is_cut_and_the_cut_is_said(pool):
    def flood(_):
        for number in range(3000):
            warnings.warn(f"warning {number}", stacklevel=1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, stderr = relayed(lambda: kf.map(flood, [0]))
    assert len(caught) == 1000
    assert stderr.startswith("[kubefuture: this element gave more than 1,000 warnings")


class Page(io.StringIO):
    """A stream that a condition can look at while it is written."""

    def has(self, text):
        return lambda: text in self.getvalue()


@pytest.mark.parametrize("call", ["map", "imap", "future", "aio"])
def test_live_output_is_seen_while_the_element_runs_and_not_again_after_it(pool, checkpoint, call):
    port, page = checkpoint.port, Page()

    def work(number):
        print("before the point")
        os.write(1, b"half a line")
        reach(port)
        print(" and the rest")
        os.write(1, b"after the point\n")
        return number

    live = kf.options(output="live")
    ways = {
        "map": lambda: live.map(work, [7]),
        "imap": lambda: list(live.imap(work, [7])),
        "future": lambda: [live.future(work, 7).result()],
        "aio": lambda: asyncio.run(kf.aio.options(output="live").map(work, [7])),
    }
    with contextlib.redirect_stdout(page), ThreadPoolExecutor(1) as threads:
        result = threads.submit(ways[call])
        visit = checkpoint.next()
        eventually(page.has("before the point\n"), "the first line")
        assert "half" not in page.getvalue(), "only whole lines"
        visit.go()
        assert result.result() == [7]
    assert page.getvalue() == "before the point\nhalf a line and the rest\nafter the point\n"


def test_live_output_of_a_run_that_does_not_count_is_seen_and_that_of_the_next_is_whole(
    pool, checkpoint, all_slots_work
):
    port, page = checkpoint.port, Page()

    def work(_):
        print("a line of some length")
        if reach(port) == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if reach(port) == "raise":
            raise OSError("not yet")

    with contextlib.redirect_stdout(page), ThreadPoolExecutor(1) as threads:
        result = threads.submit(kf.options(output="live", retries=1).map, work, [0])
        for run, words in enumerate((["die"], ["", "raise"], ["", ""]), 1):
            for number, word in enumerate(words):
                visit = checkpoint.next()
                if number == 0:
                    eventually(lambda lines=run: page.getvalue().count("\n") >= lines, "the line")
                visit.go(word)
        result.result()
    assert page.getvalue() == "a line of some length\n" * 3


def test_R16_live_output_of_a_million_lines_is_cut_and_the_cut_is_said(pool):
    def chatter(_):
        for number in range(100):
            os.write(1, b"".join(b"line %d\n" % (number * 10_000 + line) for line in range(10_000)))

    stdout, _ = relayed(lambda: kf.options(output="live").map(chatter, [0]))
    assert stdout.startswith("line 0\nline 1\n") and stdout.endswith("line 999999\n")
    assert stdout.count("[kubefuture: this element printed more than 1 MiB") == 1
    assert len(stdout) < (1 << 20) + 200


def test_R5_a_named_map_keeps_its_output_for_whoever_attaches(pool):
    assert relayed(lambda: kf.map(speak, NUMBERS, name="speaking")) == (STDOUT, STDERR)
    if pool.cluster is not None:  # only that has a journal
        assert relayed(lambda: kf.attach("speaking")) == (STDOUT, STDERR)
        kf.forget("speaking")


def test_r19_what_a_slot_printed_before_it_died_arrives(pool, printed, tmp_path, all_slots_work):
    def print_and_die(flag):
        if not flag.exists():
            flag.touch()
            os.write(1, b"x" * 300_000 + b"the end of it\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return "again"

    assert kf.future(print_and_die, tmp_path / "flag").result() == "again"
    eventually(lambda: "the end of it\n" in printed()[0], "the output")
    assert printed()[0].count("x") >= 300_000  # a line of the worker's own log may stand in between


def test_R19_what_a_slot_logged_and_warned_before_it_died_arrives_and_is_in_the_report(
    pool, printed, all_slots_work
):
    def crash(_):
        print("printed before")
        logging.getLogger("of.the.user").warning("about to call %s", "the library")
        warnings.warn("careful", stacklevel=1)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(PoisonError) as caught:
        kf.map(crash, [0])
    _, _, said = str(caught.value).partition("The last that its worker printed:\n")
    before, record, warning = (line.strip() for line in said.splitlines()[:3])
    assert (before, record) == ("printed before", "WARNING:of.the.user:about to call the library")
    assert warning.startswith(f"{__file__}:") and warning.endswith(": UserWarning: careful")
    eventually(lambda: printed()[1].count("about to call the library") >= 3, "the lines of each run")


def test_what_was_logged_before_an_element_had_to_be_killed_comes_with_its_timeout(
    pool, overdue, all_slots_work
):
    def hold(_):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        logging.getLogger("of.the.user").warning("going in")
        overdue()
        signal.sigwait([signal.SIGUSR1])

    def call():
        with pytest.raises(TimeoutError):
            kf.options(task_timeout=TASK_TIMEOUT).map(hold, [0])

    assert relayed(call) == ("", "WARNING:of.the.user:going in\n")


def test_what_a_fork_of_an_element_logs_is_no_slots_last_word(pool, all_slots_work):
    def fork(_):
        child = os.fork()
        if child == 0:
            logging.getLogger("of.the.user").warning("in the fork")
            os._exit(0)
        os.waitpid(child, 0)
        logging.getLogger("of.the.user").warning("in the element")
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(PoisonError, match="in the element") as caught:
        kf.map(fork, [0])
    assert "in the fork" not in str(caught.value)


def test_r19_a_child_that_keeps_the_output_open_delays_nothing_and_can_go_on(
    pool, printed, checkpoint, tmp_path, all_slots_work
):
    port = checkpoint.port

    def leave_a_daemon(flag):
        if not flag.exists():
            flag.touch()
            if os.fork() == 0:
                os.setsid()
                reach(port, "daemon")
                os.write(1, b"said later\n")
                os._exit(0)
            reach(port, "slot")
            os.kill(os.getpid(), signal.SIGKILL)
        return "again"

    future = kf.future(leave_a_daemon, tmp_path / "flag")
    visits = {visit.label: visit for visit in checkpoint.take(2)}
    visits["slot"].go()
    assert future.result() == "again"
    visits["daemon"].go()
    eventually(lambda: "said later" in printed()[0], "the output of what was left")


UNASKED = """
import sys
import kubefuture as kf

plans = []
for word in ("first", "second"):
    kf.plan("local", workers=1)
    future = kf.future(print, word)
    assert future.exception() is None
    plans.append(future)
live = kf.options(output="live").future(print, "live")
quiet = kf.options(output=False).future(print, "quiet")
assert live.exception() is quiet.exception() is None
print("the program ends")
"""


def test_what_futures_printed_that_nobody_asked_is_shown_when_the_program_ends():
    done = subprocess.run(
        [sys.executable, "-c", UNASKED], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["first", "live", "second", "the program ends"]
    assert done.stdout.index("ends") < done.stdout.index("first")
