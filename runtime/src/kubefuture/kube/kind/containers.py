"""The nodes of a cluster, as docker or podman shows them: containers, their volumes, and images.

kind marks each node's container with the cluster's name. Both engines take these very commands.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...project.errors import ProjectError
from ..engine import why_not

ENGINES = ("docker", "podman")
"""Those that kind can make nodes with, in the order in which they are tried."""

CHOICE = "KIND_EXPERIMENTAL_PROVIDER"
"""Environment variable: kind's own choice of an engine."""

_LABEL = "io.x-k8s.kind.cluster"
_SECONDS = 60.0
_AWAY = re.compile(
    r"cannot connect to the docker daemon|cannot connect to podman|permission denied while trying to connect"
    r"|error during connect|dial unix",
    re.IGNORECASE,
)
_GONE = re.compile(r"no such (container|object)", re.IGNORECASE)


class EngineError(ProjectError):
    """docker or podman could not do it.

    Attributes:
        said: Its own words.
    """

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        name: The container's name, which is the node's.
        state: How the container is, in the engine's word.
        id: The container's.
        volumes: Those that were made for it.
    """

    name: str
    state: str
    id: str
    volumes: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether its processes run."""
        return self.state == "running"


def working() -> list[str]:
    """The engines that are there and work: the one that kind was told to use, or all.

    Raises:
        ProjectError: There is none.
    """
    told = os.environ.get(CHOICE, "")
    if told and told not in ENGINES:
        raise ProjectError(
            f"{CHOICE} is {told}, and clusters are made here with {' or '.join(ENGINES)} alone. Unset it, or set it "
            "to one of them."
        )
    reasons, found = [], []
    for name in [told] if told else ENGINES:
        if shutil.which(name) is None:
            continue
        why = why_not(name)
        if not why:
            found.append(name)
            continue
        reasons.append(f"{name} is here but does not work ({why})")
    if found:
        return found
    if reasons:
        other = f", or unset {CHOICE}" if told else ""
        raise ProjectError(
            f"kind has nothing to make nodes with: {'; '.join(reasons)}. Start it{other}, and try again."
        )
    raise ProjectError(
        f"kind makes nodes with {told or ' or '.join(ENGINES)}, and there is none here. Install it, and start it."
    )


def nodes_of(engine: str, cluster: str) -> list[Node]:
    """The nodes of a cluster, stopped ones too.

    Raises:
        EngineError: It cannot be told.
    """
    for last in (False, True):
        chosen = f"label={_LABEL}={cluster}"
        ids = ask(engine, "ps", "--all", "--no-trunc", "--quiet", "--filter", chosen).split()
        if not ids:
            return []
        try:
            # Not `ps --format`: what podman calls a state there is a sentence in some of its versions.
            found = json.loads(ask(engine, "container", "inspect", *ids))
        except EngineError as error:
            if last or not _GONE.search(error.said):
                raise
            continue  # one was removed in between
        return sorted(map(_node, found), key=lambda node: node.name)
    return []


def _node(found: Any) -> Node:
    volumes = (one["Name"] for one in found.get("Mounts", ()) if one.get("Type") == "volume")
    return Node(found["Name"].lstrip("/"), str(found["State"]["Status"]), found["Id"], tuple(volumes))


def volumes_left(engine: str, cluster: str, known: Sequence[str] = ()) -> list[str]:
    """The volumes of a cluster's nodes that are there.

    Args:
        engine: docker or podman.
        cluster: Its name.
        known: Those that its nodes had; docker marks them with nothing.

    Raises:
        EngineError: It cannot be told.
    """
    # With podman kind marks a volume with its node's name, and forgets it where the node does not start.
    ours = re.compile(rf"(?<![a-z0-9.-]){re.escape(cluster)}-(control-plane|worker)\d*(?![a-z0-9.-])")
    rows = ask(engine, "volume", "ls", "--format", "{{.Name}} {{.Labels}}").splitlines()
    split = [row.partition(" ") for row in rows]
    return sorted(name for name, _, labels in split if name and (name in known or ours.search(labels)))


def remove_volumes(engine: str, names: Iterable[str]) -> list[str]:
    """Removes volumes, and returns those that are gone then; who looks for leftovers names the others."""
    gone = []
    for name in names:
        with suppress(EngineError):
            ask(engine, "volume", "rm", name)
            gone.append(name)
    return gone


def images(engine: str) -> set[str]:
    """The names of all images that the engine has.

    Raises:
        EngineError: It cannot be told.
    """
    return set(ask(engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())


def images_on(engine: str, node: Node) -> set[str]:
    """The names of all images that a node has.

    Raises:
        EngineError: It cannot be told.
    """
    told = json.loads(ask(engine, "exec", node.name, "crictl", "images", "--output", "json"))
    return {name for one in told.get("images", ()) for name in one.get("repoTags") or ()}


def start(engine: str, nodes: Iterable[Node]) -> None:
    """Starts nodes that do not run.

    Raises:
        EngineError: One does not start.
    """
    for paused in (True, False):
        names = [node.name for node in nodes if not node.runs and (node.state == "paused") == paused]
        if names:
            ask(engine, "unpause" if paused else "start", *names)


def ask(engine: str, *arguments: str) -> str:
    """Runs a command of the engine and returns what it printed.

    Raises:
        EngineError: It failed.
    """
    command = [engine, *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except OSError as error:
        raise EngineError(
            f"{engine} cannot be run ({error.strerror}), and the cluster's nodes are its containers. Install it again.",
            "",
        ) from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"{engine} does not answer in {_SECONDS:.0f} s. Start it again.", "") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise EngineError(explain(engine, said, arguments[0]), said)
    return done.stdout.decode(errors="replace")


def explain(engine: str, said: str, what: str) -> str:
    """What the engine means, as a sentence with the next step."""
    last = (said.splitlines() or ["it gave no reason"])[-1].strip().rstrip(".")[:300]
    if _AWAY.search(said):
        reason = next(line.strip() for line in said.splitlines() if _AWAY.search(line)).rstrip(".")[:300]
        return f"{engine} does not answer ({reason}). Start it, and try again: {engine} info"
    return f"{engine} could not do it ({what}): {last}."
