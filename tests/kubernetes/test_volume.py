"""The scheduler's volume is small: what it has no room for is refused with a sentence, and nothing is lost."""

from __future__ import annotations

FULL = """
import kubefuture as kf, time
def block(i):
    return bytes(2 << 20)
kf.map(block, range(27), name="first")  # 54 of 64 MiB
for number in range(200):  # the scheduler looks now and then how much room there is
    try:
        kf.map(abs, range(4), name=f"more-{number}")
        time.sleep(0.05)
    except kf.KubefutureError as error:
        print("refused:", error)
        break
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


def test_a_full_volume_refuses_new_named_work_and_keeps_what_it_has(make):
    study = make()
    study.set("storage: 1Gi", "storage: 64Mi")
    study.kubefuture("up")
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
