"""What builds and pushes images: docker, podman or buildah, whichever is there and works.

What it says is shown while it works; what went wrong is picked out of that by `build_words`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..project.errors import ProjectError
from ..project.progress import Step
from .build_words import reason, shown

NAMES = ("docker", "podman", "buildah")
"""In the order in which they are tried."""

_PROBE_SECONDS = 20.0
_PROXIES = tuple(
    name for what in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") for name in (what, what.upper())
)
_PODMAN = re.compile(r"^(podman|docker) version", re.MULTILINE)
"""What podman says that it is, by the name of its file; Docker begins with a capital letter."""

_LOCAL = re.compile(r"^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(/|$)")


@dataclass(frozen=True)
class Engine:
    """One that works.

    Attributes:
        name: What it is called.
    """

    name: str

    def build(
        self,
        folder: Path,
        image: str,
        arguments: Mapping[str, str],
        step: Step,
        *,
        platform: str,
        secrets: Mapping[str, Path] | None = None,
        hidden: Iterable[str] = (),
    ) -> None:
        """Builds an image.

        Args:
            folder: The Dockerfile and what it copies.
            image: What it is to be called.
            arguments: The Dockerfile's ARGs.
            step: What is shown meanwhile.
            platform: What it is to run on, such as `linux/amd64`.
            secrets: Files that its commands may read and that no layer keeps, by their ids.
            hidden: Passwords that may be in what is said, and are not to be shown.

        Raises:
            ProjectError: It cannot be built.
        """
        options = [f"--platform={platform}"]
        options += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--secret=id={name},src={path}" for name, path in (secrets or {}).items()]
        if self.name == "docker":
            # The others hand these on by themselves. Without a value it is taken from here, as it may hold a password.
            options += [f"--build-arg={name}" for name in _PROXIES if name in os.environ]
        else:
            options += ["--layers", *self._trust(arguments["BASE"])]
        command = [self.name, "build", *options, "--tag", image, str(folder)]
        code, lines = _run(command, step, hidden)
        if code:
            raise ProjectError(
                f"The image could not be built with {self.name}: {reason(lines, platform)}. "
                f"Its last lines:\n{shown(lines)}"
            )

    def push(self, image: str, step: Step) -> None:
        """Pushes an image.

        Raises:
            ProjectError: The registry does not take it.
        """
        code, lines = _run([self.name, "push", *self._trust(image), image], step)
        if code:
            registry = image.split("/", 1)[0]
            raise ProjectError(
                f"The registry {registry} did not take the image {image}: {reason(lines)}. "
                f"Log in to it ({self.name} login {registry}), see that you may write there, and that "
                "cluster.registry in values.yaml is right."
            )

    def _trust(self, image: str) -> list[str]:
        """A registry on this machine itself speaks plain HTTP; docker knows that without being told."""
        return ["--tls-verify=false"] if self.name != "docker" and is_local(image) else []


def holders(image: str) -> list[str]:
    """Which engines on this machine have an image, as where a build has left it.

    Args:
        image: Its name.
    """
    return [name for name in NAMES if shutil.which(name) and _does(name, "inspect", image)]


def forget(image: str) -> list[str]:
    """Deletes an image on this machine; returns from which engines.

    What it was made of stays there for the next build, until the engine's own `prune`.

    Args:
        image: Its name.
    """
    return [name for name in holders(image) if _does(name, "rm", image)]


def _does(name: str, what: str, image: str) -> bool:
    own = {"inspect": ["inspect", "--type", "image"], "rm": ["rmi"]}
    command = [name, *(own[what] if name == "buildah" else ["image", what]), image]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def is_local(image: str) -> bool:
    """Whether an image's registry is this machine."""
    return _LOCAL.match(image) is not None


def find_engine() -> Engine:
    """The first one that is there and works.

    Raises:
        ProjectError: There is none, or none works.
    """
    there = [name for name in NAMES if shutil.which(name)]
    reasons = []
    for name in there:
        why = why_not(name)
        if not why:
            return Engine(name)
        reasons.append(f"{name} is here but does not work ({why})")
    if reasons:
        raise ProjectError(
            f"No image can be built: {'; '.join(reasons)}. Start it, or install podman or buildah."
        )
    raise ProjectError(
        "No image can be built: none of docker, podman and buildah is here. Install one of them."
    )


def why_not(name: str) -> str:
    """Why an engine that is here does not work, empty if it does."""
    try:
        # The package podman-docker makes a `docker` that is podman, which takes other flags and templates.
        if name == "docker" and _PODMAN.search(_asked(name, "--version").stdout.decode(errors="replace")):
            return "it is podman under another name"
        done = _asked(name, "info")
    except subprocess.TimeoutExpired:
        return f"it does not answer in {_PROBE_SECONDS:.0f} s"
    except OSError as error:
        return error.strerror or str(error)
    said = (done.stderr or done.stdout).decode(errors="replace").strip()
    # The docker command answers even without its daemon, and says so only in words.
    if done.returncode or (name == "docker" and "cannot connect to the docker daemon" in said.lower()):
        return said.splitlines()[-1][:200] if said else f"exit code {done.returncode}"
    return ""


def _asked(name: str, what: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [name, what], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
    )


def _run(command: Sequence[str], step: Step, hidden: Iterable[str] = ()) -> tuple[int, list[str]]:
    """Runs it, showing its latest line; returns its exit code and last lines."""
    last: deque[str] = deque(maxlen=100)
    environment = dict(os.environ) | {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    # A note on how it was built makes an image one of several parts, which not everything that loads it can read.
    environment["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    except OSError as error:
        raise ProjectError(f"{command[0]} cannot be run ({error.strerror}).") from None
    with process:
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                line = raw.decode(errors="replace").strip()
                for word in hidden:
                    line = line.replace(word, "****")
                if line:
                    last.append(line)
                    step.tick(line)
        except BaseException:
            process.terminate()
            raise
    return process.returncode, list(last)
