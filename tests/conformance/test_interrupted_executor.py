"""Ctrl-C at any moment of a call to an executor leaves it usable, and it ends when it is asked to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.programs import environment

# Ctrl-C comes at the first line that this program runs in our code, then at the second, and so on, until a whole
# step has fewer lines.
PROGRAM = """
import faulthandler, signal, sys
import kubefuture as kf

faulthandler.dump_traceback_later(40, exit=True)
if sys.argv[1] != "none":
    kf.plan(sys.argv[1], **({"workers": 1} if sys.argv[1] == "local" else {}))
executor = kf.ClusterExecutor(1)
assert executor.submit(abs, -1).result() == 1


def interrupted_at(line):
    left = line

    def trace(frame, event, _):
        nonlocal left
        if "kubefuture" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        %s
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return left <= 0


line = 1
while interrupted_at(line):
    assert executor.submit(abs, -2).result(10) == 2
    line += 1
executor.shutdown()
print("interrupted", line > 20)
"""


@pytest.mark.parametrize("plan", ["none", "local", "sequential"])
@pytest.mark.parametrize(
    "step",
    ["executor.submit(abs, -3)", "executor.submit(abs, -3).result()", "executor.submit(abs, -3).cancel()"],
)
def test_ctrl_c_at_any_line_leaves_an_executor_usable(tmp_path, plan, step):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM % step)
    done = subprocess.run(
        [sys.executable, program, plan], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout == "interrupted True\n", done.stderr
