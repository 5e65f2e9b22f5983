"""Follows what pods say: those that come later too, and over a moment without the API server.

    kubectl logs --follow ──> its lines ──┐
    who is there, every 2 s ──────────────┴─> one queue ──> sorted, each once ──> people

kubectl follows only the containers that there are when it starts. When another one starts, it is started anew from a
little before the last line, and what it then says again is left out.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from queue import Empty, Queue

from . import pods
from .commands import KubeError
from .logs import Choice, Line, Once, end, follow, parse
from .place import Place
from .pods import Pod

LOOK_SECONDS = 2.0
"""Time between two looks at which pods there are."""

_GATHER_SECONDS = 0.3
"""Lines of so long are put in the order of their time."""

_END_SECONDS = 1.0
"""How long a last look is waited for in the end."""

_AGAIN = timedelta(seconds=15)
"""So much before the last line kubectl is begun anew: a pod that was not seen yet may have said something since."""

_Item = Line | int | KubeError | list[Pod]
"""A line, the number of a kubectl that has ended, an API server that does not answer, or who is there."""


class Following:
    """Follows the pods of a release.

    Args:
        place: Which release.
        choice: Whose lines.
        once: Knows what was shown before.
        since: The time of the last line that was shown; empty for none.
        show: Takes lines, in order.
        tell: Takes a sentence about following itself.
    """

    def __init__(
        self,
        place: Place,
        choice: Choice,
        once: Once,
        since: str,
        show: Callable[[Sequence[Line]], None],
        tell: Callable[[str], None],
    ) -> None:
        self._place = place
        self._choice = choice
        self._once = once
        self._since = since
        self._show = show
        self._tell = tell
        self._queue: Queue[_Item] = Queue()
        self._kubectl: subprocess.Popen[str] | None = None
        self._number = 0
        self._followed: frozenset[str] = frozenset()
        self._seen: set[str] = set()
        self._away = False
        self._over = threading.Event()

    def run(self, over: Callable[[], bool]) -> None:
        """Shows lines until it is over.

        Args:
            over: Asked now and then.

        Raises:
            KubeError: The cluster refuses.
        """
        looking = threading.Thread(target=self._look, name="kubefuture-following", daemon=True)
        looking.start()
        try:
            while not over():
                lines = []
                for item in self._gathered():
                    if isinstance(item, Line):
                        lines.append(item)
                    else:
                        self._heard(item)
                fresh = [line for line in sorted(lines) if self._once(line)]
                if fresh:
                    self._since = max(self._since, fresh[-1].when)
                    self._show(fresh)
        finally:
            self._over.set()
            self._stop()
            looking.join(_END_SECONDS)

    def _gathered(self) -> list[_Item]:
        found: list[_Item] = []
        until = time.monotonic() + _GATHER_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                found.append(self._queue.get(timeout=left))
            except Empty:
                break
        return found

    def _heard(self, item: int | KubeError | list[Pod]) -> None:
        if isinstance(item, int):
            if item == self._number:
                self._stop()
        elif isinstance(item, KubeError):
            if not item.is_unreachable:
                raise item
            if not self._away:
                self._tell(f"{item} It is asked again and again.")
            self._away = True
        else:
            if self._away:
                self._tell("The API server answers again.")
                self._stop()  # what was open to it may be dead without a word
            self._away = False
            there = frozenset(one for pod in self._choice.among(item) for one in pod.started)
            if there and (self._kubectl is None or there - self._followed):
                self._start(there, self._begin(self._choice.among(item)))

    def _begin(self, found: list[Pod]) -> str:
        """Where to begin: from the beginning of a pod that was not seen before, which may have been told of late."""
        since, known = _before(self._since), self._seen
        self._seen = known | {pod.name for pod in found if pod.started}
        if not since or not known:  # what those that were there first have said was shown before
            return since
        return min([since, *(pod.age_from for pod in found if pod.started and pod.name not in known)])

    def _start(self, there: frozenset[str], since: str) -> None:
        self._stop()
        self._number += 1
        self._followed = there
        self._kubectl = follow(self._place, self._choice, since)
        reading = self._kubectl, self._number
        threading.Thread(target=self._read, args=reading, daemon=True).start()

    def _stop(self) -> None:
        if self._kubectl is not None:
            end(self._kubectl)
            self._kubectl = None

    def _read(self, process: subprocess.Popen[str], number: int) -> None:
        """In a thread: lines of one kubectl, and its end."""
        assert process.stdout is not None
        try:
            for text in process.stdout:
                line = parse(text)
                if line is not None:
                    self._queue.put(line)
        except ValueError:
            pass  # it was ended meanwhile
        self._queue.put(number)

    def _look(self) -> None:
        """In a thread: who is there."""
        while True:
            try:
                self._queue.put(pods.of(self._place))
            except KubeError as error:
                self._queue.put(error)
            if self._over.wait(LOOK_SECONDS):
                return


def _before(since: str) -> str:
    if not since:
        return ""
    moment = datetime.fromisoformat(f"{since[:19]}+00:00") - _AGAIN
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
