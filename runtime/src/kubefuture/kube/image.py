"""The workers' image: what goes in decides its name, so one that is there already is the right one."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..project import index
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.progress import Step
from ..project.values import Values
from . import registry
from .contents import contents
from .engine import Engine, find_engine
from .place import Place
from .platforms import platform_of

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""The project's, and so the pods'."""


@dataclass(frozen=True)
class Recipe:
    """What an image is made of.

    Attributes:
        name: What it is called, with registry and tag.
        arguments: The Dockerfile's ARGs.
    """

    name: str
    arguments: dict[str, str]

    @property
    def architecture(self) -> str:
        """The nodes' kind of processor, as Kubernetes labels them."""
        return self.arguments["ARCHITECTURE"]

    @property
    def platform(self) -> str:
        """What it runs on, such as `linux/amd64`."""
        return f"linux/{self.architecture}"


def base_of(wanted: Values) -> str:
    """The image that the workers' image begins with, or that pods use as it is.

    Args:
        wanted: The project's values.
    """
    return str(wanted.data["cluster"]["base_image"]) or f"python:{PYTHON}-slim"


def architecture_of(wanted: Values, place: Place) -> str:
    """The nodes' kind of processor, which is known before the packages are.

    Raises:
        KubeError: The cluster does not answer.
    """
    return platform_of(wanted, place)[0].split("/")[1]


def recipe(project: Project, wanted: Values, place: Place) -> Recipe:
    """What the project's image is made of; requirements.lock is current.

    Args:
        project: The project.
        wanted: Its values.
        place: Where it is installed.

    Raises:
        ProjectError: The cluster does not say what its nodes are, or a file is missing.
    """
    platform, _ = platform_of(wanted, place)
    arguments = {
        "BASE": base_of(wanted),
        "PYTHON": PYTHON,
        "ARCHITECTURE": platform.split("/")[1],
        "APT": " ".join(sorted(wanted.apt)),
    }
    digest = hashlib.sha256()
    for name, value in arguments.items():
        digest.update(f"{name}={value}\0".encode())
    for inside, content in _files(project):
        digest.update(f"{inside}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return Recipe(f"{repository(wanted, place)}:{digest.hexdigest()[:16]}", arguments)


def repository(wanted: Values, place: Place) -> str:
    """Where the project's images are, each a tag of it."""
    # Without a registry it is no name that anybody else could have given an image in a public one.
    where = str(wanted.data["cluster"]["registry"]).rstrip("/") or "localhost"
    return f"{where}/{repository_of(place.slug)}"


def repository_of(slug: str) -> str:
    """What images of a project are called, in whichever registry."""
    return f"kubefuture-{slug}"


def ensure(project: Project, made_of: Recipe) -> bool:
    """Builds and pushes the image if the registry does not have it.

    Args:
        project: The project.
        made_of: The image.

    Returns:
        Whether it was built.

    Raises:
        ProjectError: It cannot be built or pushed.
    """
    if _is_there(made_of.name):
        return False
    with Step("Building the image") as step:
        engine = find_engine()
        build(project, made_of, engine, step)
        step.tick(f"pushing it to {made_of.name.split('/', 1)[0]}")
        engine.push(made_of.name, step)
    return True


def build(project: Project, made_of: Recipe, engine: Engine, step: Step) -> None:
    """Builds the image.

    Args:
        project: The project.
        made_of: The image.
        engine: What builds it, and has it then.
        step: What is shown meanwhile.

    Raises:
        ProjectError: It cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="kubefuture-") as folder:
        context, private = Path(folder, "context"), Path(folder, "private")
        for inside, content in _files(project):
            _write(context / inside, content)
        private.mkdir(mode=0o700)
        reached = index.find(project.folder)
        secrets = {name: private / name for name in ("index", "certificates")}
        secrets["index"].write_text(json.dumps(reached.variables()), encoding="utf-8")
        secrets["certificates"].write_bytes(reached.certificates)
        engine.build(
            context,
            made_of.name,
            made_of.arguments,
            step,
            platform=made_of.platform,
            secrets=secrets,
            hidden=reached.passwords(),
        )


def _is_there(name: str) -> bool:
    """A registry that cannot be asked is pushed to: the engine says better what is wrong with it, if anything is."""
    try:
        return bool(registry.digest_of(name))
    except ProjectError:
        return False


def _files(project: Project) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that goes in."""
    try:
        yield "Dockerfile", (project.folder / "docker" / "Dockerfile").read_bytes()
    except OSError:
        raise ProjectError(
            "docker/Dockerfile is missing. It came with the project: get it back with `git checkout -- docker`."
        ) from None
    yield from contents(project)


def _write(path: Path, content: bytes) -> None:
    """Writes a file of which an engine can tell by its content and its times that it is the same as before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)
    os.utime(path, (0, 0))
