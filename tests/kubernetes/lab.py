"""Steps that the tests on a real cluster share: a project there, scripts on it, and what happens to its pods."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kubefuture.errors import KubefutureError
from kubefuture.kube.place import slug_of
from kubefuture.project.folder import Project

from tests import needs
from tests.faults.processes import descendants
from tests.faults.waiting import eventually
from tests.project import kit

T = TypeVar("T")

VALUES = """\
provider: existing
workers:
  count: {count}
  cpus: 0.25
  memory: 256Mi
packages:
  pip: []
cluster:
  context: {context}
  registry: {registry}
  storage: 1Gi
"""

AWAY_SECONDS = 60.0
"""How long an API server may be out of reach."""

_AWAY = re.compile(
    r"connection refused|connection to the server \S+ was refused|Unable to connect|\bEOF\b|TLS handshake timeout"
    r"|etcdserver: .*timed out|TooManyRequests|too many requests"
)
_REACHED = re.compile(r"command terminated with exit code|error dialing backend")
"""The API server has answered: it was a program in a pod that failed, or a node that did not answer."""

_DONE_BEFORE = {"create": "(AlreadyExists)", "delete": "(NotFound)"}
"""What is said when it was done, but its answer was lost."""


def kubectl(
    where: Sequence[str], verb: str, *arguments: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs kubectl; it is asked again while the API server cannot be reached for a moment.

    Args:
        where: The options that name cluster and namespace.
        verb: What is to be done.
        *arguments: What follows the verb.
        stdin: What kubectl reads.
    """
    command = ["kubectl", *where, verb, *arguments]
    deadline, again = time.monotonic() + AWAY_SECONDS, False
    while True:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=600)
        if again and verb in _DONE_BEFORE and _DONE_BEFORE[verb] in done.stderr:
            done.returncode = 0
        away = _AWAY.search(done.stderr) and not _REACHED.search(done.stderr)
        if done.returncode == 0 or not away or time.monotonic() > deadline:
            return done
        again = True
        time.sleep(0.5)


def await_account(context: str, namespace: str) -> None:
    """Waits until pods can be made in a new namespace: a controller makes the account that they get, a little later."""
    there = ("--context", context, "--namespace", namespace)
    eventually(
        lambda: kubectl(there, "get", "serviceaccount", "default").returncode == 0,
        f"an account in {namespace}",
    )


@dataclass(frozen=True)
class Lab:
    """A cluster and a registry to try things on.

    Attributes:
        context: The cluster's context.
        registry: Where images go.
    """

    context: str
    registry: str

    @classmethod
    def of_environment(cls) -> Lab:
        """What KUBECONFIG and KUBE_TEST_REGISTRY name; the test ends here if they name none."""
        if not os.environ.get("KUBECONFIG") or not os.environ.get("KUBE_TEST_REGISTRY"):
            needs.missing("a cluster and a registry, in KUBECONFIG and KUBE_TEST_REGISTRY")
        for command in ("kubectl", "helm"):
            needs.command(command, "works on the cluster")
        context = subprocess.run(
            ["kubectl", "config", "current-context"], capture_output=True, text=True, check=True
        ).stdout.strip()
        return cls(context, os.environ["KUBE_TEST_REGISTRY"])

    def values(self, count: int = 2, more: str = "") -> str:
        """A values.yaml for it; what is more are whole lines at the end, which belong to `cluster`."""
        return VALUES.format(count=count, context=self.context, registry=f"{self.registry}/tests") + more

    def study(self, folder: Path, installed: Project, values: str) -> Study:
        """A project for it, with its environment."""
        return Study(kit.with_environment(kit.make_project(folder, values), installed), self.context)


@dataclass(frozen=True)
class Study:
    """A project on the cluster."""

    project: Project
    context: str

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return f"kubefuture-{self.release}"

    @property
    def release(self) -> str:
        """Its release."""
        return slug_of(self.project.name)

    def kubefuture(
        self, *arguments: str, status: int | None = 0, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in it."""
        return kit.kubefuture(self.project, *arguments, status=status, **changes)

    def shows(self, *words: str, **changes: str) -> str:
        """Waits until `status` has an answer and shows these words; returns all that it shows.

        The command itself waits for an answer for a few seconds only, which on a busy machine may be too short.
        """

        def told() -> str:
            said = self.kubefuture("status", **changes).stdout
            assert all(word in said for word in words), said
            return said

        return self.wait(told, f"status shows {', '.join(words) or 'anything'}")

    def set(self, old: str, new: str) -> None:
        """Changes values.yaml."""
        file = self.project.values_file
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def script(self, text: str) -> str:
        """Writes a script; returns its name."""
        path = self.project.folder / "script.py"
        path.write_text(text, encoding="utf-8")
        return path.name

    def run(self, text: str, status: int = 0) -> str:
        """Runs a script on it; returns what it printed."""
        return self.kubefuture("run", self.script(text), status=status).stdout

    @contextmanager
    def running(self, text: str) -> Iterator[Running]:
        """Runs a script on it in the background; what it prints is read line by line."""
        process = subprocess.Popen(
            [str(self.project.venv_python), "-u", self.script(text)],
            cwd=self.project.folder,
            env=kit.clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Running(process)
        finally:
            process.kill()
            process.communicate()

    def login(self, token: str, file: Path) -> str:
        """Writes a kubeconfig by which a service account uses the cluster; returns its name."""
        config = json.loads(self.kubectl("config", "view", "--raw", "--flatten", "--output", "json"))
        for user in config["users"]:
            user["user"] = {"token": token}
        file.touch(mode=0o600)
        file.write_text(json.dumps(config))
        return str(file)

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Runs kubectl in its namespace."""
        where = ("--context", self.context, "--namespace", self.namespace)
        done = kubectl(where, *arguments, stdin=stdin)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + ("" if check else done.stderr)

    def get(self, *arguments: str) -> Any:
        """Objects in its namespace."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def pods(self, component: str) -> list[Any]:
        """Its pods that are not about to go."""
        return [pod for pod in self.all_pods(component) if "deletionTimestamp" not in pod["metadata"]]

    def all_pods(self, component: str) -> list[Any]:
        """Its pods, also those that are about to go: they still hold what they were given of their node."""
        labels = f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component={component}"
        found: list[Any] = self.get("pods", "--selector", labels)["items"]
        return found

    def names(self, component: str) -> list[str]:
        """Their names."""
        return [pod["metadata"]["name"] for pod in self.pods(component)]

    def ready(self, component: str) -> list[str]:
        """The names of those that are ready."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods(component)
            if any(one.get("ready") for one in pod["status"].get("containerStatuses", ()))
        ]

    def wait(self, condition: Callable[[], T], what: str, seconds: float = 600.0) -> T:
        """Waits for a condition, and returns what it returns then; what cannot be asked just now may be so later."""
        deadline = time.monotonic() + seconds
        while True:
            failed: Exception | None = None
            try:
                if found := condition():
                    return found
            except (AssertionError, KubefutureError) as error:
                failed = error
            assert time.monotonic() < deadline, f"not within {seconds} s: {what} ({failed})"
            time.sleep(0.05)

    def settle(self) -> None:
        """Waits until its scheduler and two workers are ready, and no other pod is there, not even one that goes."""
        for component, number in (("scheduler", 1), ("worker", 2)):
            self.wait(
                lambda component=component, number=number: (
                    len(self.ready(component)) == len(self.all_pods(component)) == number
                ),
                f"{number} pods are ready as {component}, and there are no others",
            )

    def token(self) -> str:
        """The token of its scheduler."""
        secret = self.get("secret", f"{self.release}-auth")
        return base64.b64decode(secret["data"]["token"]).decode()


@dataclass(frozen=True)
class Running:
    """A script that runs."""

    process: subprocess.Popen[str]

    def until(self, pattern: str) -> re.Match[str]:
        """Reads what it prints up to a line in which the pattern is found."""
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"ended with {self.process.wait()} before {pattern!r}:\n{''.join(seen)}")

    def cut_forward(self) -> None:
        """Kills its way into the cluster."""
        forwards = [process for process in descendants(self.process.pid) if "port-forward" in str(process)]
        assert forwards
        for process in forwards:
            os.kill(process.pid, signal.SIGKILL)

    def rest(self) -> str:
        """All that it prints up to its end, which is a good one."""
        assert self.process.stdout is not None
        said = (
            self.process.stdout.read()
        )  # not by communicate, which leaves out what was read ahead with another line
        assert self.process.wait() == 0, said
        return said
