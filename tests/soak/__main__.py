"""`make soak MINUTES=n`: random work and random faults for some time, with a verdict.

Scheduler and worker are killed only in the first sixth, so that the growth of the later ones can be seen: a new one
takes some minutes to get what it needs.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import traceback
from random import Random

import kubefuture as kf
from kubefuture.core.trim import keep_one_heap

from tests.faults.programs import Cluster
from tests.faults.waiting import eventually
from tests.faults.wire import Wire

from .faults import Faults
from .measure import Use
from .work import Work

_GROWTH = 1.05
_FAULTS, _ELEMENTS, _FULL_MINUTES = 100, 100_000, 30
"""So much has to have happened in a run of full length, or it proves nothing."""

_WORKERS = 3
_LOG = 4000
"""Characters of a daemon's log that are shown after a problem."""


class Soak:
    """One run.

    Args:
        minutes: How long.
        seed: Chooses work and faults.
    """

    def __init__(self, minutes: float, seed: int) -> None:
        self._rng = Random(seed)
        self._seconds = minutes * 60
        self._pause = threading.Event()
        self._over = threading.Event()
        self._busy = threading.Semaphore(_WORKERS)
        self._lock = threading.Lock()
        self.checked = 0
        self.problems: list[str] = []

    def run(self) -> bool:
        """Runs it, and says whether all was well."""
        with Cluster(2) as cluster, Wire(cluster.connection) as wire:
            kf.plan("cluster", connection=wire.connection)
            faults = Faults(Random(self._rng.random()), cluster, wire)
            threads = [
                threading.Thread(target=self._work, args=(Work(Random(self._rng.random())),), daemon=True)
                for _ in range(_WORKERS)
            ]
            for thread in threads:
                thread.start()
            looks = self._harm(faults, cluster)
            self._over.set()
            for thread in threads:
                thread.join(120)
                if thread.is_alive():
                    self._note("work hangs")
            kf.plan("sequential")
        return self._verdict(faults, looks)

    def _work(self, work: Work) -> None:
        while not self._over.is_set():
            with self._busy:
                try:
                    checked = work.some()
                except BaseException:
                    self._note(traceback.format_exc())
                    self._over.set()
                    return
                with self._lock:
                    self.checked += checked
            while self._pause.is_set() and not self._over.is_set():
                time.sleep(0.05)

    def _harm(self, faults: Faults, cluster: Cluster) -> list[Use]:
        begun = time.monotonic()
        looks: list[Use] = []
        while not self._over.is_set() and (passed := time.monotonic() - begun) < self._seconds:
            if passed >= 60 * (len(looks) + 1):
                looks.append(self._look(cluster))
                print(f"minute {len(looks)}: {self.checked:,} elements checked, {faults.done.total()} faults")
                print(f"  {looks[-1].line()}", flush=True)
            time.sleep(faults._rng.uniform(0.5, 5.0))
            try:
                with_daemons = passed < self._seconds / 6
                self.checked += faults.some(daemons=with_daemons)
            except BaseException:
                self._note(traceback.format_exc())
                for program in (cluster.scheduler, cluster.worker):
                    assert program is not None
                    print(
                        f"{program.role} {program.process.poll()}: {program.text()[-_LOG:]}", file=sys.stderr
                    )
                return looks
        looks.append(self._look(cluster))
        return looks

    def _note(self, problem: str) -> None:
        """A problem, told at once: what comes after it may hang."""
        print(problem, file=sys.stderr, flush=True)
        self.problems.append(problem)

    def _look(self, cluster: Cluster) -> Use:
        """Waits until nothing is under way, and looks."""
        self._pause.set()
        for _ in range(_WORKERS):
            if not self._busy.acquire(timeout=120):
                self._note("work hangs")
        kf.scale(2)
        eventually(lambda: len(cluster.slots()) == 2, "the end of slots that leave")
        time.sleep(3.0)  # acknowledgements, and the journal's clearing away
        use = Use.now(cluster)
        self._pause.clear()
        for _ in range(_WORKERS):
            self._busy.release()
        return use

    def _verdict(self, faults: Faults, looks: list[Use]) -> bool:
        print(f"{self.checked:,} elements checked; faults: {dict(faults.done)}")
        if not looks:
            return False
        base, last = looks[min(9, len(looks) // 3)], looks[-1]
        for role, size in last.memory.items():
            growth = size / base.memory[role]
            print(f"  {role}: memory {growth:.3f} of minute {min(10, len(looks) // 3 + 1)}'s, "
                  f"descriptors {base.descriptors[role]} -> {last.descriptors[role]}")  # fmt: skip
            if len(looks) > 10 and growth > _GROWTH:
                self._note(f"{role} grew by {growth - 1:.1%}")
            if len(looks) > 10 and last.descriptors[role] != base.descriptors[role]:
                self._note(f"{role} has another number of descriptors")
        print(
            f"  journal {base.journal / 2**10:.0f} -> {last.journal / 2**10:.0f} KiB; slots {last.slots_line()}"
        )
        if self._seconds >= 60 * _FULL_MINUTES:
            if faults.done.total() < _FAULTS:
                self._note(f"there were fewer than {_FAULTS} faults")
            if self.checked < _ELEMENTS:
                self._note(f"fewer than {_ELEMENTS:,} elements were checked")
        print("clean" if not self.problems else f"{len(self.problems)} problems")
        return not self.problems


def main() -> int:
    """Runs it as the command line says; returns the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=30.0)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    keep_one_heap()
    return 0 if Soak(options.minutes, options.seed).run() else 1


if __name__ == "__main__":
    sys.exit(main())
