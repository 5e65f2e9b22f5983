"""What pods say: of all of them at once, merged by time, and followed while pods come and go.

    kubectl logs --selector … ──> lines with pod and time ──> sorted, each once ──> people
    previous containers, one by one, as only few pods have any ──┘

One kubectl asks for all pods; 200 of them one by one would take minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..project.errors import ProjectError
from ..project.progress import Step
from . import pods
from .commands import KubeError, explain
from .place import Place
from .pods import Pod

_LINE = re.compile(r"^\[pod/([^/]+)/([^\]]+)\] (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z ?(.*)$")
_OWN_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")
_MOST_REQUESTS = 2000
_THREADS = 8
_SECONDS = 60
"""How long one pod's last lines may take."""


@dataclass(frozen=True, order=True)
class Line:
    """One line of a container.

    Attributes:
        when: Its time, in UTC, such that later is larger.
        pod: The pod's name.
        container: The container's.
        words: What it says.
        before: It is of the container before the present one.
    """

    when: str
    pod: str
    container: str
    words: str
    before: bool = False


@dataclass(frozen=True)
class Choice:
    """Whose lines are wanted.

    Attributes:
        component: scheduler or worker; empty for both.
        pod: One pod's name; empty for all.
    """

    component: str = ""
    pod: str = ""

    def among(self, found: Iterable[Pod]) -> list[Pod]:
        """The pods that are meant."""
        return [pod for pod in found if self.component in ("", pod.component) and self.pod in ("", pod.name)]

    def options(self, place: Place) -> list[str]:
        """The same for kubectl."""
        if self.pod:
            return [self.pod]
        component = f",app.kubernetes.io/component={self.component}" if self.component else ""
        return ["--selector", f"{place.selector}{component}"]


def parse(text: str) -> Line | None:
    """A line of kubectl's; None for what is none of a container."""
    found = _LINE.match(text)
    if found is None:
        return None
    pod, container, second, fraction, words = found.groups()
    # Our own programs begin their lines with a time, too; once is enough.
    return Line(_time(second, fraction), pod, container, _OWN_TIME.sub("", words))


def _time(second: str, fraction: str | None) -> str:
    """A time that sorts as text does."""
    return f"{second}.{fraction or '':0<9}Z"


def past(place: Place, choice: Choice, found: Sequence[Pod], lines: int) -> list[Line]:
    """The last lines of each pod, and of the containers before, in the order of their time.

    Args:
        place: Which release.
        choice: Whose.
        found: The release's pods.
        lines: How many of each container.

    Raises:
        KubeError: The cluster does not say.
    """
    read: list[Line] = []
    with (
        Step("Reading what the pods have said") as step,
        _kubectl(place, choice, f"--tail={lines}", f"--request-timeout={_SECONDS}s") as said,
    ):
        for text in said:
            if (line := parse(text)) is not None:
                read.append(line)
                step.tick()
    return sorted([*read, *_before(place, choice.among(found), lines)])


def _before(place: Place, found: Iterable[Pod], lines: int) -> Iterator[Line]:
    """What containers said before they were started anew."""

    def ask(pod: Pod) -> list[Line]:
        said = pods.logs_before(place, pod.name, lines=lines)
        return [
            Line(_time(when[:19], when[20:].rstrip("Z")), pod.name, "", words, before=True)
            for when, words in said
        ]

    with ThreadPoolExecutor(_THREADS) as threads:
        for told in threads.map(ask, [pod for pod in found if pod.restarts]):
            yield from told


def follow(place: Place, choice: Choice, since: str) -> subprocess.Popen[str]:
    """Starts a kubectl that says what is said from a time on, by the pods that there are now.

    Args:
        place: Which release.
        choice: Whose.
        since: A time such as a line has; empty for all that was ever said.
    """
    return _start(place, choice, "--follow", *([f"--since-time={since}"] if since else ()))


def save(place: Place, folder: Path) -> int:
    """Writes all that each pod has said to a file of its own; returns how many. What was there is kept once more.

    Raises:
        KubeError: The cluster does not say.
        OSError: They cannot be written.
    """
    files: dict[str, IO[str]] = {}
    with ExitStack() as opened:

        def write(line: Line) -> None:
            name = f"{line.pod}{'.before' if line.before else ''}.log"
            if not files and folder.exists():
                earlier = folder.with_name(f"{folder.name}.before")
                shutil.rmtree(earlier, ignore_errors=True)
                folder.rename(earlier)
            if name not in files:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                files[name] = opened.enter_context(open(folder / name, "w", encoding="utf-8"))
            files[name].write(f"{line.when[:23]}Z {line.words}\n")

        for line in _before(place, pods.of(place), -1):
            write(line)
        with _kubectl(place, Choice(), "--tail=-1") as said:
            for text in said:
                if (one := parse(text)) is not None:
                    write(one)
    return len(files)


@contextmanager
def _kubectl(place: Place, choice: Choice, *options: str) -> Iterator[Iterable[str]]:
    """The lines that kubectl logs prints.

    Raises:
        KubeError: It printed none, and says why.
    """
    process = _start(place, choice, *options)
    last = ""

    def said() -> Iterator[str]:
        nonlocal last
        assert process.stdout is not None
        for text in process.stdout:
            last = text
            yield text

    try:
        yield said()
        if process.wait() and not last.startswith("[pod/"):
            raise KubeError(explain(last.strip(), place), last.strip())
    finally:
        end(process)


def _start(place: Place, choice: Choice, *options: str) -> subprocess.Popen[str]:
    command = ["kubectl", "--context", place.context, "--namespace", place.namespace, "logs"]
    command += [*choice.options(place), "--all-containers", "--prefix", "--timestamps", "--ignore-errors"]
    command += [f"--max-log-requests={_MOST_REQUESTS}", *options]
    try:
        return subprocess.Popen(
            command,
            env={**os.environ, "KUBECONFIG": place.kubeconfig},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProjectError(f"kubectl cannot be run ({error.strerror}).") from None


def end(process: subprocess.Popen[str]) -> None:
    """Ends a kubectl."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


class Once:
    """Lets each line through once, since one that is followed anew says its last ones again."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, bool], tuple[str, set[str]]] = {}

    def __call__(self, line: Line) -> bool:
        """Whether it is new."""
        key = line.pod, line.container, line.before
        when, said = self._last.get(key, ("", set()))
        if line.when < when or (line.when == when and line.words in said):
            return False
        if line.when > when:
            said = set()
        said.add(line.words)
        self._last[key] = line.when, said
        return True
