"""`shell`: open Python in the project's environment, with its workers if they are up; or a shell in a pod."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from ..errors import NotUpError
from ..kube import pods, record
from ..kube.commands import may
from ..kube.place import Place
from ..project import deployed
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.launch import become, refuse_if_down

_GREETING = "import kubefuture as kf; print('`kf` is kubefuture:', {words!r})"

_SHELL = "export PS1='{pod}:\\w\\$ '; command -v bash >/dev/null && exec bash --norc || exec sh"
"""What runs in the pod. Nobody there has a name, which a shell would otherwise say in front of each line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--where",
        default="",
        metavar="WHERE",
        help="a shell there instead: worker, scheduler, or a pod's name, such as worker-x7k2p",
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Becomes an interactive Python, or a shell in a pod."""
    if options.where:
        _enter(_place(project), options.where)
    try:
        refuse_if_down(project)
        up = True
    except NotUpError:
        up = False
    words = (
        "its calls go to the workers."
        if up
        else "nothing is up (make up), so its calls run here, one by one."
    )
    become(project, ["-i", "-c", _GREETING.format(words=words)], up=up)


def _place(project: Project) -> Place:
    """The cluster whose pods there are.

    Raises:
        NotUpError: Nothing is up.
        ProjectError: What is up has no pods.
    """
    if (known := record.up(project)) is not None:
        return known.place
    if deployed.read_all(project):
        raise ProjectError(
            "On local the workers are processes of this machine, with your files and packages: `make shell` opens "
            "Python as they have it, and `.venv/bin/python` runs anything else."
        )
    raise NotUpError("Nothing is up in this project. Start the workers first: make up")


def _enter(place: Place, where: str) -> NoReturn:
    """Becomes a shell in a pod.

    Raises:
        ProjectError: There is no such pod, or it does not run, or that is not allowed.
    """
    found = pods.of(place)
    meant = [pod for pod in found if where in (pod.component, pod.name, pod.short)]
    if not meant:
        names = ", ".join(pod.short for pod in found[:6]) or "no pods"
        raise ProjectError(f"There is no {where} in namespace {place.namespace}; there are {names}.")
    ready = [pod for pod in meant if pod.ready]
    if not ready:
        raise ProjectError(f"No {where} is ready: {meant[0].short} {meant[0].state}. See: make status")
    if not may(place, "create", "pods/exec"):
        raise ProjectError(
            f"Your login may not open a shell in pods of namespace {place.namespace} (create pods/exec). "
            "Ask who runs the cluster."
        )
    pod = ready[0]
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal:
        print(f"A shell in {pod.short} on {pod.node}; Ctrl-D leaves it.")
    sys.stdout.flush()
    command = ["kubectl", "--context", place.context, "--namespace", place.namespace]
    command += ["exec", "--stdin", *(["--tty"] if terminal else []), pod.name, "--container", pod.component]
    command += ["--", "sh", "-c", _SHELL.format(pod=pod.short)]
    os.execvpe("kubectl", command, {**os.environ, "KUBECONFIG": place.kubeconfig})
