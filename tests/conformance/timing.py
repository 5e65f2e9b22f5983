"""Tests say when time is up: on a busy machine a slot, or a supervisor, may not run for seconds.

They leave marks in a folder, as files. The processes that look at the time look there, too: this one, and those of the
cluster.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from kubefuture.core import in_place
from kubefuture.worker.limits import Overrun
from kubefuture.worker.slot_process import SlotProcess
from kubefuture.worker.slot_set import SlotSet

from tests.faults.waiting import LIMIT

TASK_TIMEOUT = 120.5
"""Seconds that an element may run where another one of the same call runs too long: not even a busy machine makes it
take so long."""

PATIENCE = "patience"
"""As long as this mark is there, no slot is killed that was interrupted and has not ended what it ran."""

_SPEED = 200.0
"""Time passes so much faster for a slot whose element has said that it runs too long; such an element takes less than
a second. The mark is called after the slot's process id."""

_LOOK_AGAIN = 0.02

_ROOT = str(Path(__file__).resolve().parents[2])


def install(folder: Path, change: Callable[[object, str, object], object] = setattr) -> None:
    """This process heeds the marks.

    Args:
        folder: Where they are.
        change: What sets the attributes.
    """
    kill, too_long, ahead = SlotSet._kill_if_running, SlotProcess.too_long, 0.0

    def kill_unless_patient(slots: SlotSet, slot: SlotProcess, lease: int) -> None:
        if (folder / PATIENCE).exists():
            slots._loop.call_later(_LOOK_AGAIN, slots._kill_if_running, slot, lease)
        else:
            kill(slots, slot, lease)

    def too_long_by_its_clock(slot: SlotProcess, now: float) -> Overrun | None:
        mark, (before, own) = folder / str(slot.pid), getattr(slot, "clock", (now, 0.0))
        if mark.exists():
            own += (now - before) * _SPEED
        slot.clock = now, own  # type: ignore[attr-defined]
        found = too_long(slot, now + own)
        if found is not None and found != slot.overrun:  # it was not interrupted yet, so the mark is its own
            mark.unlink(missing_ok=True)
        return found

    def monotonic() -> float:
        nonlocal ahead
        mark = folder / str(os.getpid())
        if mark.exists():  # the sequential plan looks at the time when an element is done
            mark.unlink()
            ahead += 2 * TASK_TIMEOUT
        return time.monotonic() + ahead

    change(SlotSet, "_kill_if_running", kill_unless_patient)
    change(SlotProcess, "too_long", too_long_by_its_clock)
    change(in_place, "time", SimpleNamespace(monotonic=monotonic))


def code(folder: Path) -> str:
    """What the cluster's programs run first, so that they heed the marks, too. Slots that they start do not.

    No worker is taken for silent that may only have had to wait.
    """
    return (
        "import os, pathlib, sys\n"
        "os.environ['PYTHONPATH'] = os.environ['PYTHONPATH'].partition(os.pathsep)[2]\n"
        f"sys.path.append({_ROOT!r})\n"
        "from tests.conformance import timing\n"
        f"sys.path.remove({_ROOT!r})\n"
        f"timing.install(pathlib.Path({str(folder)!r}))\n"
        "from kubefuture.scheduler import silence\n"
        f"silence.SILENT_SECONDS = {LIMIT}\n"
    )
