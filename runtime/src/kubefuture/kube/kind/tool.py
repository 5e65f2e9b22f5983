"""The command `kind`, always with the engine, the cluster and the kubeconfig that are meant, and what its errors mean.

Progress and errors are on its standard error, results on its standard output; every error ends it with 1.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...project.errors import ProjectError
from ...project.folder import Project
from ...project.progress import Step
from ..commands import version_of
from .containers import CHOICE
from .containers import explain as explain_engine
from .names import kubeconfig_file, state_folder

OLDEST = (0, 24)
"""The oldest kind: before it its network let every pod reach every other one, whatever a NetworkPolicy said."""


class KindError(ProjectError):
    """kind could not do it.

    Attributes:
        said: Its own words.
    """

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def version() -> str:
    """The version of kind, such as 0.33.0.

    Raises:
        ProjectError: It is not here.
    """
    try:
        told = version_of("kind", "version")
    except ProjectError as error:
        raise ProjectError(
            f"kind cannot be run, and the provider kind needs it ({error}) Install it: "
            "https://kind.sigs.k8s.io/docs/user/quick-start/#installation"
        ) from None
    found = re.search(r"\bv?(\d+\.\d+\.\d+\S*)", told)
    return found[1] if found else told


def create(
    project: Project, engine: str, cluster: str, nodes: int, image: str, labels: dict[str, str], step: Step
) -> None:
    """Makes a cluster, and writes its kubeconfig.

    Args:
        project: The project.
        engine: docker or podman.
        cluster: Its name.
        nodes: How many, with the control plane.
        image: What they run; empty for kind's own choice.
        labels: What each of them bears in Kubernetes.
        step: What is shown meanwhile.

    Raises:
        KindError: It cannot be made; kind has removed what it had begun.
    """
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {"role": "worker" if number else "control-plane", "labels": labels} for number in range(nodes)
        ],
    }
    options = ["--config", "-", *(["--image", image] if image else [])]
    _with_kubeconfig(
        project, engine, ["create", "cluster", "--name", cluster, *options], json.dumps(config), step
    )


def export(project: Project, engine: str, cluster: str) -> None:
    """Writes the kubeconfig of a cluster that runs.

    Raises:
        KindError: It cannot be read from the cluster.
    """
    _with_kubeconfig(project, engine, ["export", "kubeconfig", "--name", cluster])


def delete(project: Project, engine: str, cluster: str, step: Step | None = None) -> None:
    """Deletes a cluster with all its nodes; one that is gone already is fine.

    Raises:
        KindError: It cannot be deleted.
    """
    _with_kubeconfig(project, engine, ["delete", "cluster", "--name", cluster], "", step)


def clusters(engine: str) -> list[str]:
    """The names of all clusters of an engine.

    Raises:
        KindError: It cannot be told.
    """
    return _run(engine, ["get", "clusters"]).split()


def load(engine: str, cluster: str, archive: Path, step: Step) -> None:
    """Puts an image of an archive onto all nodes.

    Raises:
        KindError: A node does not take it.
    """
    # Not `load docker-image`, which asks docker even where the nodes are podman's.
    _run(engine, ["load", "image-archive", str(archive), "--name", cluster], "", step)


def save_logs(engine: str, cluster: str, folder: Path) -> None:
    """Writes what the nodes themselves said into a folder.

    Raises:
        KindError: It cannot.
    """
    _run(engine, ["export", "logs", str(folder), "--name", cluster])


def _with_kubeconfig(
    project: Project, engine: str, arguments: Sequence[str], given: str = "", step: Step | None = None
) -> None:
    file = kubeconfig_file(project)
    state_folder(project).mkdir(mode=0o700, parents=True, exist_ok=True)
    # The file is ours and the project is locked, so a lock on it is that of a kind that was killed.
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
    _run(engine, [*arguments, "--kubeconfig", str(file)], given, step)


def _run(engine: str, arguments: Sequence[str], given: str = "", step: Step | None = None) -> str:
    environment = dict(os.environ) | {CHOICE: engine}
    try:
        process = subprocess.Popen(
            ["kind", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise KindError(
            f"kind cannot be run ({error.strerror}). Install it; `make doctor` says how.", ""
        ) from None
    last: deque[str] = deque(maxlen=100)
    with process:
        try:
            assert process.stdin is not None and process.stdout is not None and process.stderr is not None
            with suppress(BrokenPipeError):  # it has ended already, and says why
                process.stdin.write(given.encode())
                process.stdin.close()
            # What it prints as a result is some lines at most, which the pipe holds meanwhile.
            for raw in process.stderr:
                line = raw.decode(errors="replace").strip()
                last.append(line)
                if step is not None:
                    # What it is at; the rest are notes.
                    step.tick(
                        re.sub(r"[^\x20-\x7e]|\.\.\.", "", line).strip() if line.startswith("•") else None
                    )
            said = process.stdout.read().decode(errors="replace")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        told = "\n".join(last)
        raise KindError(explain(told, engine), told)
    return said


_ADVICE: tuple[tuple[str, str], ...] = (
    (
        r"cgroup v2, see",
        "{engine} runs without root, which needs cgroup v2: see https://kind.sigs.k8s.io/docs/user/rootless/, or use "
        "an engine that runs as root",
    ),
    (
        r"Delegate=yes",
        "{engine} runs without root and may not limit CPU and memory. Run `systemd-run --scope --user -p Delegate=yes "
        "make up`, or see https://kind.sigs.k8s.io/docs/user/rootless/",
    ),
    (
        r"too many open files|inotify",
        "This machine allows too few inotify watches. Raise them: sudo sysctl fs.inotify.max_user_watches=524288 "
        "fs.inotify.max_user_instances=512",
    ),
    (
        r"no space left on device",
        "The disk that {engine} keeps images on is full. Free some gigabytes there: {engine} image prune",
    ),
    (
        r"failed to pull image|manifest unknown|pull access denied",
        "The nodes' image could not be fetched ({line}). See that this machine reaches the internet, and that "
        "kind.node_image in values.yaml is right",
    ),
    (
        r"exec format error",
        "The nodes' image is for another kind of processor ({line}). Choose one for this machine's in kind.node_image "
        "of values.yaml, or leave it empty",
    ),
    (
        r"non-overlapping subnet|port is already allocated|address already in use",
        "{engine} could not set up the nodes' network ({line}). Remove networks that nobody uses: "
        "{engine} network prune",
    ),
    (
        r"content digest .* not found",
        "{engine} hands out the image for several processors, and does not have all of it ({line}). Switch off "
        "containerd's image store in docker's settings, or use podman",
    ),
    (
        r"could not find a log line",
        "A node did not start. Mostly this machine allows too few inotify watches (sudo sysctl "
        "fs.inotify.max_user_instances=512), or has too little memory",
    ),
    (
        r"failed to init node with kubeadm|failed to join node with kubeadm",
        "Kubernetes did not come up in a node ({line}). Mostly {engine} has too little memory or disk, or "
        "kind.node_image is older or newer than this kind supports",
    ),
)
"""What kind's own words mean: a pattern in them, and a sentence with the next step."""


def explain(said: str, engine: str) -> str:
    """What kind means, as a sentence with the next step.

    Args:
        said: Its own words.
        engine: What it was told to use.
    """
    lines = [line for line in said.splitlines() if line.strip()]
    error = next((line for line in lines if "ERROR: " in line), lines[-1] if lines else "it gave no reason")
    line = re.sub(r"\x1b\[[0-9;]*m", "", error).split("ERROR: ", 1)[-1].strip().rstrip(".")[:300]
    if "failed to get docker info" in said or "failed to list" in said or "error listing nodes" in said:
        return explain_engine(engine, said, "kind")
    for pattern, words in _ADVICE:
        if re.search(pattern, said):
            return f"{words.format(engine=engine, line=line)}."
    # Where a command inside a node failed, its own last words say more than kind's.
    _, _, output = said.partition("Command Output:")
    reason = next((one.strip().rstrip(".")[:300] for one in reversed(output.splitlines()) if one.strip()), "")
    return f"kind could not do it: {line}{f' ({reason})' if reason else ''}."
