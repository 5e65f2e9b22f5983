"""kubectl and helm, always with the cluster that was asked for, and what their errors mean in a sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..project.errors import ProjectError
from ..project.progress import Step
from .place import Place

REQUEST_SECONDS = 10.0
"""How long one question to the API server may take. kubectl itself does not keep to it when it waits for TLS."""

AGAIN_SECONDS = 2.0
"""How long what fails at once is tried again: an API server is away for a moment now and then."""

_READS = ("get", "auth", "version", "status", "list", "history")
"""What changes nothing, of kubectl and helm."""

_LONG = ("logs", "exec", "port-forward", "wait")
"""What may take longer."""


class KubeError(ProjectError):
    """kubectl or helm could not do it.

    Attributes:
        said: Its own words.
        out: What it printed as an answer.
    """

    def __init__(self, message: str, said: str, out: str = "") -> None:
        super().__init__(message)
        self.said = said
        self.out = out

    @property
    def is_absent(self) -> bool:
        """What was asked for does not exist."""
        return "(NotFound)" in self.said or "release: not found" in self.said

    @property
    def is_forbidden(self) -> bool:
        """The login may not do it."""
        return "(Forbidden)" in self.said

    @property
    def is_unknown_context(self) -> bool:
        """The kubeconfig does not have the context, or is not there."""
        return bool(_NO_CONTEXT.search(self.said))

    @property
    def is_unreachable(self) -> bool:
        """Nobody answered, or somebody who cannot just now."""
        return bool(_UNREACHABLE.search(self.said) or _BUSY.search(self.said))

    @property
    def may_pass(self) -> bool:
        """It may be over in a second."""
        return bool(_MOMENT.search(self.said))

    @property
    def was_turned_away(self) -> bool:
        """Nobody listened, so that nothing can have been done."""
        return bool(_TURNED_AWAY.search(self.said))


def kubectl(
    place: Place,
    *arguments: str,
    stdin: str | None = None,
    namespaced: bool = True,
    step: Step | None = None,
) -> str:
    """Runs kubectl and returns what it printed.

    Args:
        place: The cluster and namespace.
        arguments: What follows the options for these.
        stdin: What it reads.
        namespaced: Whether it is about the project's namespace.
        step: What is shown while it takes long.

    Raises:
        KubeError: It failed.
    """
    options = ["--context", place.context]
    if namespaced:
        options += ["--namespace", place.namespace]
    is_question = arguments[0] not in _LONG
    if is_question:
        options += [f"--request-timeout={REQUEST_SECONDS:.0f}s"]
    limit = REQUEST_SECONDS + 1 if is_question and arguments[0] in _READS else None
    command = ["kubectl", *options, *arguments]
    if not is_question:
        return _run(place, command, stdin, step)
    return _patiently(lambda: _run(place, command, stdin, step, limit), arguments[0] in _READS, step)


def kubectl_json(place: Place, *arguments: str, namespaced: bool = True) -> Any:
    """The same, for objects.

    Raises:
        KubeError: It failed.
    """
    return json.loads(kubectl(place, *arguments, "--output", "json", namespaced=namespaced))


def find(place: Place, *arguments: str, namespaced: bool = True) -> Any:
    """One object, or None if there is none of that name.

    Raises:
        KubeError: It cannot be told.
    """
    try:
        return kubectl_json(place, "get", *arguments, namespaced=namespaced)
    except KubeError as error:
        if error.is_absent:
            return None
        raise


def may(place: Place, verb: str, what: str, *, namespaced: bool = True) -> bool:
    """Whether the login may do something.

    Args:
        place: Where.
        verb: Such as `create`.
        what: Such as `pods`, or a part of it, `pods/exec`.
        namespaced: In the namespace, rather than in the whole cluster.

    Raises:
        KubeError: It cannot be told.
    """
    resource, _, part = what.partition("/")  # which kubectl would take for the name of one object
    options = [f"--subresource={part}"] if part else []
    options += [] if namespaced else ["--all-namespaces"]
    try:
        said = kubectl(place, "auth", "can-i", verb, resource, *options, namespaced=namespaced)
    except KubeError as error:
        if error.out == "no":  # beside which there may be warnings
            return False
        raise
    return said.strip().startswith("yes")


def helm(place: Place, *arguments: str, step: Step | None = None) -> str:
    """Runs helm and returns what it printed.

    Raises:
        KubeError: It failed.
    """
    options = ["--kube-context", place.context, "--namespace", place.namespace]
    command = ["helm", *arguments, *options]
    return _patiently(lambda: _run(place, command, None, step), arguments[0] in _READS, step)


def _patiently(run: Callable[[], str], is_read: bool, step: Step | None) -> str:
    """Runs a command again that could not reach the API server, if it did nothing or has nothing to do."""
    until = time.monotonic() + AGAIN_SECONDS
    while True:
        try:
            return run()
        except KubeError as error:
            if time.monotonic() > until or not (error.may_pass if is_read else error.was_turned_away):
                raise
        if step is not None:
            step.tick("the API server does not answer")
        time.sleep(0.5)


def version_of(command: str, *arguments: str) -> str:
    """The version that a program on this machine says it has, without a `v` before it.

    Raises:
        ProjectError: It cannot be run.
    """
    try:
        done = subprocess.run(
            [command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
        )
    except OSError as error:
        raise _not_here(command, error) from None
    except subprocess.TimeoutExpired:
        raise ProjectError(f"{command} does not say its version in 30 s.") from None
    return done.stdout.decode(errors="replace").strip().removeprefix("v")


def _not_here(command: str, error: OSError) -> ProjectError:
    return ProjectError(
        f"{command} cannot be run ({error.strerror}). Install it; `make doctor` says what is needed."
    )


def _run(
    place: Place, command: Sequence[str], stdin: str | None, step: Step | None, limit: float | None = None
) -> str:
    environment = dict(os.environ)
    environment["KUBECONFIG"] = place.kubeconfig
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise _not_here(command[0], error) from None
    with process:
        try:
            given = None if stdin is None else stdin.encode()
            until = None if limit is None else time.monotonic() + limit
            ended = False
            while True:
                try:
                    out, err = process.communicate(given, timeout=0.25 if step is not None else limit)
                    break
                except subprocess.TimeoutExpired:
                    if until is not None and time.monotonic() >= until:
                        if ended or process.poll() is None:
                            said = f"i/o timeout: it has not answered within {limit:.0f} s"
                            raise KubeError(explain(said, place, command[0]), said) from None
                        ended = True  # and only we were too slow to read what it has said
                    if step is not None:
                        step.tick()
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        answer = out.decode(errors="replace").strip()
        said = err.decode(errors="replace").strip() or answer
        raise KubeError(explain(said, place, command[0]), said, answer)
    return out.decode(errors="replace")


_UNREACHABLE = re.compile(
    r"connection to the server .* was refused|Unable to connect to the server|i/o timeout|no such host"
    r"|TLS handshake timeout|connection refused|context deadline exceeded|network is unreachable"
    r"|Kubernetes cluster unreachable|no route to host|Client\.Timeout exceeded|request canceled"
    r"|: EOF$|unexpected EOF|connection reset by peer|http2: client connection lost",
    re.MULTILINE,
)
_BUSY = re.compile(
    r"etcdserver: (?:request timed out|leader changed|too many requests)"
    r"|\((?:ServiceUnavailable|TooManyRequests|Timeout|ServerTimeout)\)"
)
_MOMENT = re.compile(
    r"connection to the server .* was refused|connect: connection refused|Kubernetes cluster unreachable|: EOF$"
    r"|unexpected EOF|connection reset by peer|http2: client connection lost|etcdserver: |\(TooManyRequests\)",
    re.MULTILINE,
)
_TURNED_AWAY = re.compile(r"connection to the server .* was refused|Kubernetes cluster unreachable")
_NO_CONTEXT = re.compile(r'context "[^"]*" does not exist|context was not found')
_ASIDE = re.compile(r"memcache\.go|^Use --debug flag")
"""Lines that are no reason."""

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<what>[^"]*)".*?'
    r'(?:in the namespace "(?P<where>[^"]*)"|at the cluster scope)'
)
_OWN = {"kind": "Its nodes may be stopped, as after a restart of this machine, or gone: make up"}
"""What to do about a cluster that is the project's own when it does not answer, by provider."""


def explain(said: str, place: Place, command: str = "kubectl") -> str:
    """What kubectl or helm means, as a sentence with the next step.

    Args:
        said: Its own words.
        place: What it was asked about.
        command: Which one it was.
    """
    where = f"the cluster of context {place.context}"
    if found := _FORBIDDEN.search(said):
        namespace = f"in namespace {found['where']}" if found["where"] else "in the whole cluster"
        return (
            f"Your login ({found['user']}) at {where} may not {found['verb']} {found['what']} {namespace}. "
            "Ask who runs the cluster for that permission, or for a namespace of your own, and name it in "
            "cluster.namespace of values.yaml."
        )
    if "Unauthorized" in said or "must be logged in" in said:
        return (
            f"{where.capitalize()} does not accept your login any more. Log in again as your cluster's guide says, "
            f"then try `kubectl --context {place.context} get namespaces`."
        )
    if _NO_CONTEXT.search(said):
        if place.provider in _OWN:
            return f"The access to {where} is lost. Get it back with: make up"
        return (
            f"There is no context {place.context} in {place.kubeconfig}. `kubectl config get-contexts` lists them; "
            "put the right one into cluster.context of values.yaml, or name the file that has it in KUBECONFIG."
        )
    if "x509" in said or "certificate signed by unknown authority" in said:
        return f"What answers for {where} cannot prove that it is it: {_last(said)}."
    if _BUSY.search(said):
        return f"The API server of {where} is too busy just now: {_last(said)}. Try again in a minute."
    if _UNREACHABLE.search(said):
        if advice := _OWN.get(place.provider):
            return f"The API server of {where} cannot be reached: {_last(said)}. {advice}"
        return (
            f"The API server of {where} cannot be reached: {_last(said)}. See whether the cluster is up and this "
            f"machine's network or VPN leads there: kubectl --context {place.context} version"
        )
    return f"{command} could not do it on {where}: {_last(said)}."


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not _ASIDE.search(line)]
    line = lines[-1] if lines else "it gave no reason"
    for prefix in ("Error: ", "error: ", "Error from server: "):
        line = line.removeprefix(prefix)
    return line.rstrip(".")[:500]
