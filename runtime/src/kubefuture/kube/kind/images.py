"""Puts the workers' image onto the cluster's nodes: from the engine, through an archive, without any registry.

The nodes themselves are asked what they have, so that a cluster that was made anew gets the image again.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from ...project.errors import ProjectError, explain
from ...project.folder import Project
from ...project.progress import Step
from ..engine import Engine
from ..image import Recipe, build
from ..record import ClusterRecord
from . import containers, tool
from .containers import Node
from .names import cluster_name, state_folder
from .own import Own


def deliver(project: Project, record: ClusterRecord, made_of: Recipe) -> str:
    """See `Provider.deliver`.

    Raises:
        ProjectError: It cannot be built or loaded.
    """
    engine, cluster = Own.of(record).engine, cluster_name(record.slug)
    nodes = containers.nodes_of(engine, cluster)
    if not nodes:
        raise ProjectError(f"The cluster {cluster} is gone. Make it again: make up")
    if not lacking(engine, nodes, made_of.name):
        return ""
    with Step("Building the image") as step:
        built = made_of.name not in containers.images(engine)
        if built:
            build(project, made_of, Engine(engine), step)
        step.tick("loading it into the cluster")
        _load(project, engine, cluster, made_of.name, step)
        if left := lacking(engine, nodes, made_of.name):
            raise ProjectError(
                f"The image {made_of.name} was loaded, and {', '.join(left)} does not show it. "
                "See that its disk is not full, and try again: make up"
            )
    return f"The image {made_of.name} is {'built and ' if built else ''}loaded into the cluster."


def lacking(engine: str, nodes: list[Node], image: str) -> list[str]:
    """The names of nodes that do not have an image.

    Raises:
        EngineError: It cannot be told.
    """
    return [node.name for node in nodes if image not in containers.images_on(engine, node)]


def _load(project: Project, engine: str, cluster: str, image: str, step: Step) -> None:
    # Beside the project: /tmp may be small, and an engine that is a snap cannot see it.
    with tempfile.TemporaryDirectory(prefix="image-", dir=state_folder(project)) as folder:
        archive = Path(folder, "image.tar")
        _save(engine, image, archive)
        tool.load(engine, cluster, archive, step)


def _save(engine: str, image: str, archive: Path) -> None:
    options = [] if engine == "docker" else ["--format", "docker-archive"]
    try:
        with open(archive, "wb") as file:
            done = subprocess.run(
                [engine, "save", *options, image],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                check=False,
            )
    except OSError as error:
        raise ProjectError(explain(error, archive)) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if "no space left" in said:
            raise ProjectError(
                f"The disk is full: the image {image} could not be written to {archive.parent.parent} for a moment. "
                "Free some gigabytes and try again."
            )
        raise ProjectError(
            f"The image could not be handed to the cluster: {containers.explain(engine, said, 'save')}"
        )
