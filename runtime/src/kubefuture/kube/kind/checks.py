"""What a cluster of kind needs on this machine, before one is made."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ...project.checks import Finding
from ...project.errors import ProjectError
from ...project.folder import Project
from ...project.values import Values
from .. import record as records
from ..checks import caught, helm_here, kubectl_here
from ..place import Place
from ..record import ClusterRecord
from . import containers, tool
from .cluster import refuse_other_shape, refuse_strange
from .names import NAME, cluster_name
from .own import Own

_NODE_MEMORY = 1 << 30
"""What Kubernetes itself takes on a node, about."""

_SCHEDULER_MEMORY = 1 << 30
_OWN_CPUS = 1.2
"""What Kubernetes itself and our scheduler ask for on the first node."""

_INOTIFY = Path("/proc/sys/fs/inotify")
_NEEDED = {"max_user_watches": 524288, "max_user_instances": 512}
"""What kind's own guide advises."""


def check(project: Project, wanted: Values, place: Place) -> Iterator[Finding]:
    """See `Provider.check`.

    Args:
        project: The project.
        wanted: Its values.
        place: Where it is to be.
    """
    for check_tool in (kubectl_here, helm_here, _kind):
        yield caught(check_tool)
    try:
        recorded = records.read(project, NAME)
        engine = (Own.of(recorded).engine if recorded else "") or containers.working()[0]
        memory, cpus = _size(engine)
    except ProjectError as error:
        yield Finding("stop", str(error))
        return
    yield Finding(
        "ok", f"Nodes are containers of {engine}, which has {memory / (1 << 30):.1f} GiB and {cpus} cores."
    )
    yield from _room(wanted, engine, memory, cpus)
    yield from _inotify()
    yield caught(lambda: _cluster(wanted, engine, place, recorded))


def _kind() -> Finding:
    version = tool.version()
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < tool.OLDEST:
        oldest = ".".join(map(str, tool.OLDEST))
        raise ProjectError(
            f"kind is {version or 'of an unknown version'}; {oldest} or newer is needed, because older ones let every "
            "pod reach every other one. Install it: https://kind.sigs.k8s.io"
        )
    return Finding("ok", f"kind is {version}.")


def _size(engine: str) -> tuple[int, int]:
    """Memory and cores of the machine, perhaps a virtual one, on which the engine runs."""
    template = "{{.MemTotal}} {{.NCPU}}" if engine == "docker" else "{{.Host.MemTotal}} {{.Host.CPUs}}"
    memory, cpus = containers.ask(engine, "info", "--format", template).split()
    return int(memory), int(cpus)


def _room(wanted: Values, engine: str, memory: int, cpus: int) -> Iterator[Finding]:
    nodes = int(wanted.data["kind"]["nodes"])
    needed = wanted.count * wanted.memory + _SCHEDULER_MEMORY + nodes * _NODE_MEMORY
    if needed > memory:
        yield Finding(
            "note",
            f"Workers and cluster together may use {needed / (1 << 30):.1f} GiB, and {engine} has "
            f"{memory / (1 << 30):.1f}: lower workers.count or workers.memory, or give {engine} more.",
        )
    asked = wanted.count * float(wanted.data["workers"]["cpus"]) + _OWN_CPUS
    if asked > cpus * nodes:
        yield Finding(
            "note",
            f"Workers and cluster together ask for {asked:.1f} cores, and {engine} has {cpus}: some workers will find "
            "no place. Lower workers.count or workers.cpus.",
        )


def _inotify() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        return  # the engine has a virtual machine of its own
    low = {}
    for name, needed in _NEEDED.items():
        try:
            found = int((_INOTIFY / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if found < needed:
            low[name] = (found, needed)
    if not low:
        yield Finding("ok", "The kernel allows enough inotify watches.")
        return
    told = ", ".join(f"fs.inotify.{name} is {found}" for name, (found, _) in low.items())
    mend = " ".join(f"fs.inotify.{name}={needed}" for name, (_, needed) in low.items())
    yield Finding(
        "note", f"{told}, which may be too few when nodes or pods do not start. More: sudo sysctl {mend}"
    )


def _cluster(wanted: Values, engine: str, place: Place, recorded: ClusterRecord | None) -> Finding:
    cluster = cluster_name(place.slug)
    there = containers.nodes_of(engine, cluster)
    if not there:
        return Finding("ok", f"The cluster {cluster} can be made.")
    one = recorded or records.draft(place)
    refuse_strange(engine, cluster, there, one)
    if recorded is not None:
        records.refuse_other_engine(recorded, wanted.engine)
        refuse_other_shape(wanted, recorded)
    if not Own.of(one).whole:
        return Finding("note", f"The cluster {cluster} was only half made; `make up` makes it anew.")
    stopped = [node.name for node in there if not node.runs]
    if stopped:
        told = f"{len(stopped)} of {len(there)} nodes are" if len(there) > 1 else "its node is"
        return Finding(
            "note", f"The cluster {cluster} is there, and {told} stopped; `make up` starts what is."
        )
    return Finding("ok", f"The cluster {cluster} runs.")
