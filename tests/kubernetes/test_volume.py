"""The scheduler's volume is small: what it has no room for is refused with a sentence, and nothing is lost."""

from __future__ import annotations

import re

FILL = """
import kubefuture as kf
def block(i):
    return bytes(2 << 20)
# 54 of 64 MiB. All are leased at once: no others are while the -wal file holds what the database has too.
kf.map(block, range(27), name="first", chunk_size=27)
"""

FULL = """
import kubefuture as kf
try:
    kf.map(abs, range(4), name="more")
except kf.KubefutureError as error:
    print("refused:", error)
print("unnamed", kf.map(abs, range(4)))
print("kept", len(kf.attach("first")))
"""

AFTERWARDS = """
import kubefuture as kf, time
print("still there", len(kf.attach("first")))
kf.forget("first")
for _ in range(600):  # its space is given back in steps
    try:
        print("second", kf.map(abs, range(4), name="second"))
        break
    except kf.KubefutureError as error:
        time.sleep(0.1)
"""


def rooms(study):
    """What its scheduler has found that there is room for, one after the other."""
    logs = study.kubefuture("logs", "scheduler", "-n", "5000").stdout
    return re.findall(r"journal-room room=\"?(\w+)", logs)


def test_a_full_volume_refuses_new_named_work_and_keeps_what_it_has(make):
    study = make()
    study.set("storage: 1Gi", "storage: 64Mi")
    study.kubefuture("up")
    study.run(FILL)
    # The scheduler looks now and then. What it took before would wait for room, which nobody makes.
    study.wait(lambda: rooms(study)[-1:] not in ([], ["free"]), "it has seen how much room there is")
    said = study.run(FULL)
    assert "refused: The journal has no room for new named work" in said
    assert "unnamed [0, 1, 2, 3]" in said
    assert "kept 27" in said
    # The next scheduler has the same limit, and the same maps.
    before = study.names("scheduler")
    study.kubectl("delete", "pod", *before, "--wait=false")
    study.wait(lambda: set(study.ready("scheduler")) - set(before), "another scheduler is ready")
    said = study.run(AFTERWARDS)
    assert "still there 27" in said
    assert "second [0, 1, 2, 3]" in said
    study.kubefuture("down")
