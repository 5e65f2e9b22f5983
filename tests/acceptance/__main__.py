"""The acceptance: 500 seeded elements on a real project, while everything that can die or break does.

    make run ── map ── wire ── scheduler ── supervisor ── slots
                        │          │            │           │
                     cut 15 s    kill -9      kill -9     kill -9, and scaled 1, 4, 1; one element is poison

Every element comes by a checkpoint and may have to wait there, so that all slots stand still when something is done
to them: how long anything takes does not matter. Run by `make acceptance`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import processes
from tests.faults.checkpoint import Checkpoint, Visit
from tests.faults.waiting import LIMIT, eventually
from tests.faults.wire import Wire

from .project import StudyProject
from .verdict import differences

ELEMENTS = 500
POISON = 300
AWAY_SECONDS = 15.0


class Acceptance:
    """The steps, in their order.

    Args:
        folder: Where everything is made.
        checkpoint: Where elements wait.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        self._folder = folder
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
        project = StudyProject(self._folder)
        try:
            project.make("up")
            self.say("a new project is up, with 1 worker")
            with Wire(project.connection, self._folder) as wire:
                results = self._folder / "results.json"
                script = project.run(
                    "--connection", wire.connection, "--port", self._checkpoint.port, "--elements", ELEMENTS,
                    "--poison", POISON, "--results", results,
                )  # fmt: skip
                try:
                    self._faults(project, wire)
                    code = script.wait(LIMIT)
                except (AssertionError, OSError) as error:
                    return [f"{error}. The script said: {project.said or 'nothing'}"]
                finally:
                    script.kill()
                    script.wait()
            if code:
                return [f"the script ended with exit code {code}: {project.said}"]
            self.say("the map is finished")
            return [*self._of_visits(), *differences(json.loads(results.read_text()), ELEMENTS, POISON)]
        finally:
            said = project.make("down")
            self.say("the project is down")
            if "Nothing is left" not in said or project.alive:
                raise AssertionError(f"`make down` left {project.alive}, and said: {said}")

    def _faults(self, project: StudyProject, wire: Wire) -> None:
        (visit,) = self._hold(20, 1, project)
        visit.kill()
        self._killed[int(visit.label)] += 1
        visits = self._next(1)
        self.say("killed a slot; its element runs again")

        project.make("scale", "N=4")
        _go(visits)
        self.say("scaled to 4 workers")

        visits = self._hold(100, 4, project)
        supervisor = project.supervisor
        processes.kill(supervisor)
        for visit in visits:
            visit.left()
            self._killed[int(visit.label)] += 1
        visits = self._next(4)
        assert project.supervisor != supervisor
        self.say("killed the supervisor, and 4 slots with it; their elements run again")
        _go(visits)

        visits = self._hold(200, 4, project)
        scheduler = project.status.scheduler_pid
        processes.kill(scheduler)
        eventually(lambda: _answers(project, scheduler), "the start of another scheduler")
        assert project.supervisor
        self.say("killed the scheduler; what ran goes on under the next one")
        _go(visits)

        self._pass_until(lambda: self._visits[POISON] == 3, project)
        self.say(f"element {POISON} is poison: it ended its third worker")

        visits = self._next(4)
        began = time.monotonic()
        wire.part()
        _go(visits)
        visits = self._hold(400, 4)
        self.say("cut the connection; the map went on without its client")
        threading.Event().wait(AWAY_SECONDS - (time.monotonic() - began))
        carried = wire.carried
        wire.mend()
        eventually(lambda: wire.carried > carried, "the client's return")
        self._arrived(self._passed - 4 - 1, project)  # the poison's report waits for its siblings
        self.say(f"joined the connection again after {AWAY_SECONDS:.0f} s")

        project.make("scale", "N=1")
        _go(visits)
        self._pass_until(lambda: self._passed == ELEMENTS)
        eventually(lambda: [worker.slots for worker in project.status.workers] == [1], "the end of 3 slots")
        self.say("scaled to 1 worker; the others ended after what they ran")

    @property
    def _passed(self) -> int:
        """How many elements have come by the checkpoint, those that wait at it included."""
        return sum(min(1, visits) for visits in self._visits.values())

    def _next(self, slots: int) -> list[Visit]:
        """Waits until so many more elements are at the checkpoint, which is as many as there are slots."""
        visits = self._checkpoint.take(slots)
        for visit in visits:
            self._visits[int(visit.label)] += 1
        return visits

    def _pass_until(self, condition: Callable[[], bool], project: StudyProject | None = None) -> None:
        """Lets elements go on, one by one.

        Before the poison goes on, the results of all others have to be there, if the project is given: a slot keeps
        those of the last millisecond back (R14), and they would end with it, and run again.
        """
        while not condition():
            visits = self._next(1)
            if project is not None and visits[0].label == str(POISON):
                self._arrived(self._passed - 1, project)
            _go(visits)

    def _hold(self, passed: int, slots: int, project: StudyProject | None = None) -> list[Visit]:
        """Lets elements go on until so many have; then all slots stand still.

        Args:
            passed: How many elements.
            slots: How many slots there are.
            project: If it is given, its script has the results of all that went on.

        Returns:
            The elements that stand still.
        """
        self._pass_until(lambda: self._passed >= passed)
        visits = self._next(slots)
        if project is not None:
            self._arrived(self._passed - slots, project)
        return visits

    def _arrived(self, results: int, project: StudyProject) -> None:
        """Waits until the script has so many results."""
        eventually(lambda: f"\n{results}\n" in project.said, f"the arrival of {results} results")

    def _of_visits(self) -> list[str]:
        """Nothing ran more often than what it ran in was killed."""
        if self._checkpoint.anybody:
            return ["an element ran once more than it had to"]
        wanted = {index: 1 + killed for index, killed in self._killed.items()}
        wanted[POISON] += 2
        wrong = {index: visits for index, visits in self._visits.items() if visits != wanted[index]}
        return [f"elements ran more often than they had to: {wrong}"] if wrong else []


def _go(visits: list[Visit]) -> None:
    for visit in visits:
        visit.go()


def _answers(project: StudyProject, before: int) -> bool:
    """Whether there is a scheduler, which is not the one before."""
    try:
        return project.status.scheduler_pid != before
    except ConnectionError:
        return False


def main() -> int:
    """Runs the acceptance; returns the exit status."""
    print(f"The acceptance: {ELEMENTS} seeded elements, and all that can go wrong", flush=True)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="kubefuture-"))
    try:
        with Checkpoint() as checkpoint:
            found = Acceptance(folder, checkpoint).run()
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
