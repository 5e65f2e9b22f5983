"""The acceptance: 500 seeded elements on a real project, while everything that can die or break does.

    make run ── map ── way in ── scheduler ── worker ── slots
                         │           │          │         │
                      cut 15 s    kill -9    kill -9   kill -9, and scaled 1, 4, 1; one element is poison

Every element comes by a checkpoint and may have to wait there, so that all slots stand still when something is done
to them: how long anything takes does not matter. Run by `make acceptance`, on a cluster by
`make acceptance PROVIDER=existing`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.checkpoint import Checkpoint, Visit
from tests.faults.waiting import LIMIT

from .cluster import Cluster
from .here import Here
from .place import Place, eventually
from .verdict import differences

ELEMENTS = 500
POISON = 300
AWAY_SECONDS = 15.0


class Acceptance:
    """The steps, in their order.

    Args:
        place: The project, not up yet.
        checkpoint: Where elements wait.
    """

    def __init__(self, place: Place, checkpoint: Checkpoint) -> None:
        self._place = place
        self._checkpoint = checkpoint
        self._began = self._since = time.monotonic()
        self._visits = dict.fromkeys(range(ELEMENTS), 0)
        self._killed = dict.fromkeys(range(ELEMENTS), 0)

    def say(self, line: str) -> None:
        """One line a step, with how long it took."""
        now = time.monotonic()
        print(f"  {line:<76}{now - self._since:5.1f} s", flush=True)
        self._since = now

    def run(self) -> list[str]:
        """Does everything.

        Returns:
            What is not as it has to be, as sentences.
        """
        place = self._place
        left: list[str] = []
        try:
            place.up()
            self.say("a new project is up, with 1 worker")
            results = place.outside / "results.json"
            script = place.run(
                "--checkpoint", place.checkpoint, "--elements", ELEMENTS, "--poison", POISON, "--results", results
            )  # fmt: skip
            try:
                self._faults()
                code = script.wait(LIMIT)
            except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                return [f"{error}. The script said: {place.said or 'nothing'}"]
            finally:
                script.kill()
                script.wait()
            if code:
                return [f"the script ended with exit code {code}: {place.said}"]
            self.say("the map is finished")
        finally:
            left = place.down()
            self.say("the project is down")
        return [*left, *self._of_visits(), *differences(json.loads(results.read_text()), ELEMENTS, POISON)]

    def _faults(self) -> None:
        place = self._place
        (visit,) = self._hold(20, 1)
        place.kill(visit)
        self._count_killed([visit])
        visits = self._next(1)
        self.say("killed a slot; its element runs again")

        place.make("scale", "N=4")
        _go(visits)
        self.say("scaled to 4 workers")

        visits = self._hold(100, 4)
        ended = place.end_worker(visits)
        self._count_killed(ended)
        again = self._next(len(ended))
        self.say(f"killed a worker with {len(ended)} of the 4 slots; what they ran runs again")
        _go([*(visit for visit in visits if visit not in ended), *again])

        visits = self._hold(200, 4)
        place.end_scheduler()
        self.say("killed the scheduler; what ran goes on under the next one")
        _go(visits)

        # In rounds of all slots: if one is not run for a while, the others do not use up all elements meanwhile.
        while self._visits[POISON] < 3:
            visits = self._next(4)
            if POISON in map(_element, visits):
                # A slot keeps the results of its last millisecond back (R14). They would end with it, and run again.
                self._arrived(self._passed - 4)
            _go(visits)
        self.say(f"element {POISON} is poison: it ended its third worker")

        visits = self._next(4)
        began = time.monotonic()
        place.part()
        _go(visits)
        visits = self._hold(400, 4, all_arrive=False)
        self.say("cut the connection; the map went on without its client")
        threading.Event().wait(AWAY_SECONDS - (time.monotonic() - began))
        carried = place.carried
        place.mend()
        eventually(lambda: place.carried > carried, "the client's return")
        self._arrived(self._passed - 4 - 1)  # the poison's report waits for its siblings
        self.say(f"joined the connection again after {AWAY_SECONDS:.0f} s")

        place.make("scale", "N=1")
        _go(visits)
        self._pass_until(lambda: self._passed == ELEMENTS)
        eventually(lambda: [worker.slots for worker in place.status.workers] == [1], "the end of 3 slots")
        self.say("scaled to 1 worker; the others ended after what they ran")

    def _count_killed(self, visits: Sequence[Visit]) -> None:
        for visit in visits:
            self._killed[_element(visit)] += 1

    @property
    def _passed(self) -> int:
        """How many elements have come by the checkpoint, those that wait at it included."""
        return sum(min(1, visits) for visits in self._visits.values())

    def _next(self, slots: int) -> list[Visit]:
        """Waits until so many more elements are at the checkpoint, which is as many as there are slots."""
        visits = self._checkpoint.take(slots)
        for visit in visits:
            self._visits[_element(visit)] += 1
        return visits

    def _pass_until(self, condition: Callable[[], bool]) -> None:
        """Lets elements go on, one by one."""
        while not condition():
            _go(self._next(1))

    def _hold(self, passed: int, slots: int, *, all_arrive: bool = True) -> list[Visit]:
        """Lets elements go on until so many have; then all slots stand still.

        Args:
            passed: How many elements.
            slots: How many slots there are.
            all_arrive: The script has the results of all that went on.

        Returns:
            The elements that stand still.
        """
        self._pass_until(lambda: self._passed >= passed)
        visits = self._next(slots)
        if all_arrive:
            self._arrived(self._passed - slots)
        return visits

    def _arrived(self, results: int) -> None:
        """Waits until the script has so many results."""
        eventually(lambda: f"\n{results}\n" in self._place.said, f"the arrival of {results} results")

    def _of_visits(self) -> list[str]:
        """Nothing ran more often than what it ran in was killed."""
        if self._checkpoint.anybody:
            return ["an element ran once more than it had to"]
        wanted = {index: 1 + killed for index, killed in self._killed.items()}
        wanted[POISON] += 2
        wrong = {index: visits for index, visits in self._visits.items() if visits != wanted[index]}
        return [f"elements ran more often than they had to: {wrong}"] if wrong else []


def _go(visits: Sequence[Visit]) -> None:
    for visit in visits:
        visit.go()


def _element(visit: Visit) -> int:
    return int(visit.label.split()[0])


def main() -> int:
    """Runs the acceptance; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__)
    parser.add_argument(
        "--provider", choices=("local", "existing"), default="local", help="where the workers are"
    )
    provider = parser.parse_args().provider
    print(f"The acceptance: {ELEMENTS} seeded elements, and all that can go wrong", flush=True)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="kubefuture-"))
    try:
        with Checkpoint() as checkpoint:
            place = Here(folder, checkpoint.port) if provider == "local" else Cluster(folder, checkpoint.port)
            found = Acceptance(place, checkpoint).run()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        found = [f"{type(error).__name__}: {error}"]
    took = f"{time.monotonic() - began:.0f} s"
    if found:
        print(f"\nNot accepted ({took}). The project and its logs are in {folder}.")
        for sentence in found:
            print(f"- {sentence}")
        return 1
    shutil.rmtree(folder)
    print(
        f"\nAccepted ({took}): all results are bit for bit those of plan('sequential'), the one poison report names "
        "its element, its ends and its last lines, and nothing is left."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
