"""What slots of plan("local") print goes where their program's own output goes (R19)."""

from __future__ import annotations

import subprocess
import sys

from tests.faults.programs import environment
from tests.faults.waiting import LIMIT


def test_r19_bytes_arrive_as_they_are(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nimport kubefuture as kf\nkf.plan('local', workers=1)\n"
        "kf.map(lambda _: os.write(1, bytes(range(256)) * 4096) and None, range(3))\n"
    )
    program = subprocess.run(
        [sys.executable, script], env=environment(), stdout=subprocess.PIPE, timeout=LIMIT, check=True
    )
    assert program.stdout == bytes(range(256)) * 4096 * 3


STUCK = """
import os, sys, threading
import kubefuture as kf

kf.plan("local", workers=2)
shown = threading.Thread(target=kf.map, args=(os.write, [1], [bytes(1 << 20)]), daemon=True)
shown.start()
shown.join(1)
print(kf.map(abs, range(1000)) == list(range(1000)), shown.is_alive(), file=sys.stderr, flush=True)
os._exit(0)
"""


def test_r19_a_terminal_that_takes_nothing_stops_only_who_waits_for_it():
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stderr.readline() == b"True True\n"
