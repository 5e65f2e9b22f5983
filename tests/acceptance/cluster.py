"""The acceptance on a cluster: pods are deleted at once, and the script's own forward is cut for a while."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubefuture.errors import KubefutureError

from tests.faults import relay
from tests.faults.checkpoint import Visit
from tests.faults.waiting import LIMIT
from tests.kubernetes.lab import Lab, await_account, kubectl
from tests.template import kit

from .place import Place, eventually

_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}

_KUBECTL = """\
#!/bin/sh
# The script's way in: each opening is written down, and refused while it is cut off.
case " $* " in
*" port-forward "*)
    if [ -e {folder}/cut ]; then echo "error: no way out of this machine" >&2; exit 1; fi
    echo >>{folder}/opened ;;
esac
exec {kubectl} "$@"
"""


class Cluster(Place):
    """A project on the cluster that KUBECONFIG names, its image in the registry of KUBE_TEST_REGISTRY."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        lab = Lab.of_environment()
        self._context = lab.context
        mark = secrets.token_hex(3)
        self._relay = f"acceptance-relay-{mark}"
        self._namespace = f"acceptance-{mark}"
        self._last.callback(self._kubectl, "delete", "namespace", self._relay, "--wait=false")
        address = self._start_relay()
        self.checkpoint = f"{address}:{relay.ELEMENTS}"
        values = self.folder / "values.yaml"
        text = values.read_text(encoding="utf-8").replace("provider: local", "provider: existing")
        text = re.sub(r"(?m)^cluster:\n( .*\n|\n)*", "", text).replace("memory: ", "cpus: 0.25\n  memory: ")
        values.write_text(
            f"{text}\ncluster:\n  context: {lab.context}\n  registry: {lab.registry}/tests\n"
            f"  namespace: {self._namespace}\n  storage: 1Gi\n  egress:\n"
            f"    - {{cidr: {address}/32, ports: [{relay.ELEMENTS}]}}\n",
            encoding="utf-8",
        )
        self._commands = folder / "commands"
        self._commands.mkdir()
        command = self._commands / "kubectl"
        command.write_text(_KUBECTL.format(folder=self._commands, kubectl=shutil.which("kubectl")))
        command.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """With a kubectl that can be kept from opening a way."""
        return kit.environment(PATH=f"{self._commands}{os.pathsep}{os.environ['PATH']}")

    def up(self) -> None:
        """Brings it up."""
        self.make("up")

    def kill(self, visit: Visit) -> None:
        """Kills a slot in its pod, whose processes see each other."""
        # A slot that is gone was killed when the answer was lost and it was asked again.
        killed = f"kill -9 {visit.pid} || test ! -e /proc/{visit.pid}"
        self._here("exec", visit.label.split()[1], "--", "sh", "-c", killed)
        visit.left()

    def end_worker(self, visits: Sequence[Visit]) -> list[Visit]:
        """Deletes one worker's pod without a warning."""
        ended = visits[0]
        pod = ended.label.split()[1]
        self._delete(pod)
        ended.left()
        # Until it is given up, its element is nobody's; and when all slots stand still, none is free for it.
        eventually(lambda: pod not in self._workers(), "the end of the worker's lease")
        return [ended]

    def end_scheduler(self) -> None:
        """Deletes its pod without a warning."""
        workers = eventually(lambda: set(self._workers()), "an answer of the scheduler")
        (before,) = self._pods("scheduler")
        self._delete(before)
        eventually(lambda: self._answers(before), "the start of another scheduler")
        # It waits for them for a while only; then what they are at would be given to a slot that is free.
        eventually(lambda: workers <= set(self._workers()), "the return of the workers")

    @property
    def carried(self) -> int:
        """How often the script has opened its way."""
        opened = self._commands / "opened"
        return opened.read_text().count("\n") if opened.exists() else 0

    def part(self) -> None:
        """Ends the script's forward and lets it open none."""
        (self._commands / "cut").touch()
        for pid in self._forwards():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def mend(self) -> None:
        """Lets it open one."""
        (self._commands / "cut").unlink()

    def left(self) -> list[str]:
        """The namespace, the image and forwards."""
        found = [f"a forward is still there: process {pid}" for pid in self._forwards()]
        if self._kubectl("get", "namespace", self._namespace, "--ignore-not-found", "--output", "name"):
            found.append(f"the namespace {self._namespace} is still there")
        return found

    def _start_relay(self) -> str:
        """Starts the pod through which elements reach the checkpoint; returns its address."""
        self._kubectl("create", "namespace", self._relay)
        await_account(self._context, self._relay)
        container = {
            "name": "relay",
            "image": "python:3.11-slim",
            "command": ["sleep", "infinity"],
            "securityContext": _RESTRICTED,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "relay"},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        }
        there = ["--namespace", self._relay]
        self._kubectl("apply", *there, "--filename", "-", stdin=json.dumps(pod))
        self._kubectl("wait", *there, "pod/relay", "--for=condition=Ready", f"--timeout={LIMIT:.0f}s")
        execute = ["kubectl", "--context", self._context, *there, "exec", "-i", "relay", "--"]
        self._last.callback(relay.Relay(execute, self.port).close)
        told = json.loads(self._kubectl("get", "pod", "relay", *there, "--output", "json"))
        return str(told["status"]["podIP"])

    def _workers(self) -> list[str]:
        return [worker.host for worker in self.status.workers]

    def _delete(self, pod: str) -> None:
        self._here("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    def _pods(self, component: str) -> list[str]:
        selector = f"app.kubernetes.io/component={component}"
        found: list[Any] = json.loads(self._here("get", "pods", "--selector", selector, "--output", "json"))[
            "items"
        ]
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _answers(self, before: str) -> bool:
        """Whether a scheduler in another pod answers."""
        if before in self._pods("scheduler"):
            return False
        try:
            return self.status.host != before
        except KubefutureError:
            return False

    def _forwards(self) -> list[int]:
        """Processes that lead into the project's namespace from the script."""
        mark = f"--namespace\0{self._namespace}\0port-forward".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                told = (folder / "cmdline").read_bytes()
                if mark in told and f"PATH={self._commands}".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def _here(self, verb: str, *arguments: str) -> str:
        return self._kubectl(verb, "--namespace", self._namespace, *arguments)

    def _kubectl(self, verb: str, *arguments: str, stdin: str | None = None) -> str:
        done = kubectl(("--context", self._context), verb, *arguments, stdin=stdin)
        if done.returncode:
            raise AssertionError(f"kubectl {verb} {' '.join(arguments)}: {done.stderr}")
        return done.stdout
