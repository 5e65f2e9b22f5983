"""Ctrl-C, or a time limit by a signal, at any moment of a call leaves the plan and an executor usable."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.programs import environment

# The signal comes at the first line that this program runs in our code, then at the second, and so on, until a whole
# step has fewer lines. Not at a block's `with`: tracing sees that line once more before the block is left, where
# Python itself handles no signal.
PROGRAM = """
import faulthandler, linecache, signal, sys
import kubefuture as kf

if sys.argv[1] != "none":
    kf.plan(sys.argv[1], **({"workers": 1} if sys.argv[1] == "local" else {}))
executor = kf.ClusterExecutor(1)


class Late(Exception):
    pass


def late(*_):
    raise Late


number, Raised = (signal.SIGALRM, Late) if sys.argv[2] == "time limit" else (signal.SIGINT, KeyboardInterrupt)
signal.signal(signal.SIGALRM, late)
assert executor.submit(abs, -1).result() == 1


def interrupted_at(line):
    left = line

    def trace(frame, event, _):
        nonlocal left
        if "kubefuture" not in frame.f_code.co_filename:
            return None
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and not text.strip().startswith("with "):
            left -= 1
            if left == 0:
                signal.raise_signal(number)
        return trace

    sys.settrace(trace)
    try:
        %s
    except Raised:
        pass
    finally:
        sys.settrace(None)
    return left <= 0


line = 1
while True:
    faulthandler.dump_traceback_later(120, exit=True)  # each step has its own limit
    if not interrupted_at(line):
        break
    assert executor.submit(abs, -2).result(100) == 2
    line += 1
executor.shutdown()
print("interrupted", line > 20)
"""


@pytest.mark.parametrize("what", ["Ctrl-C", "time limit"])
@pytest.mark.parametrize("plan", ["none", "local", "sequential"])
@pytest.mark.parametrize(
    "step",
    [
        "executor.submit(abs, -3)",
        "executor.submit(abs, -3).result()",
        "executor.submit(abs, -3).cancel()",
        "kf.future(abs, -3).result()",
        "kf.map(abs, [-3])",
    ],
)
def test_a_signal_at_any_line_leaves_an_executor_usable(tmp_path, plan, step, what):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM % step)
    done = subprocess.run(
        [sys.executable, program, plan, what], env=environment(), capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0 and done.stdout == "interrupted True\n", done.stderr
