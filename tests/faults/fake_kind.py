"""`kind`, and the `docker` or `podman` that it makes nodes with: no containers, but the same words and refusals.

They are strict: a flag or a subcommand that the real ones do not have, or that nobody here should use, ends them. What
was made is in a file, where a test can look at it and change it, as a person does with the real ones.

    kind create cluster ──> containers in the file ──> docker ps, docker start, kind get clusters, kind delete cluster
    kind load image-archive ──> names of images in a container ──> docker exec NODE crictl images

What the real kind 0.33.0 prints, and where, was read off from it; tests/kube/test_fake_kind.py holds the two together.
A `kubectl` belongs to it that knows nodes, storage classes, and that there are no pods. Where FAKE_KIND_CLUSTER names a
kubeconfig, the cluster that was "made" is that one: then the real kubectl is used, images are built by the real podman,
and loading one pushes it to where its name says.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tests.faults.fake_engine import AWAY, NOT_RUNNING, engine
from tests.faults.fake_machine import ENGINES, Ended, Killed, Parser, die, end, locked, nodes_of
from tests.faults.fake_nodes import helm, kubectl

NODE_IMAGE = "kindest/node:v1.37.0"


def _kind_error(words: str) -> NoReturn:
    die(f"ERROR: {words}")


def kind(words: list[str], state: dict[str, Any]) -> None:
    """Does what kind does."""
    name = next((one for one, (known, _, _) in _KIND.items() if words[: len(known)] == known), "")
    if not name:
        _kind_error(f'unknown command "{words[0] if words else ""}" for "kind"')
    known, options, act = _KIND[name]
    rest = words[len(known) :]
    # A word that begins with a hyphen and is no option is what the real one complains about first.
    for word in rest:
        if word.startswith("--") and word.split("=")[0] not in options:
            _kind_error(f"unknown flag: {word.split('=')[0]}")
    parser = Parser(_kind_error)
    for option in options:
        parser.add_argument(option)
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args(rest)
    if name == "version":
        print("kind v0.33.0 go1.26.8 linux/amd64")
        return
    engine = os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "")
    if engine not in ENGINES:
        die("fake: without KIND_EXPERIMENTAL_PROVIDER the real kind takes whichever engine it finds", 99)
    if "--kubeconfig" in options and not given.kubeconfig:
        die("fake: without --kubeconfig the real kind would change the user's own", 99)
    print(f"using {engine} due to KIND_EXPERIMENTAL_PROVIDER", file=sys.stderr)
    if engine == "podman":
        print("enabling experimental podman provider", file=sys.stderr)
    if not shutil.which(engine):
        _kind_error(
            f'failed to list nodes: command "{engine} ps" failed with error: exec: "{engine}": not found'
        )
    act(given, engine, state[engine])


def _reach(engine: str, there: dict[str, Any], what: str) -> None:
    if there["away"]:
        print(f'ERROR: {what}: command "{engine} ps -a" failed with error: exit status 1', file=sys.stderr)
        die(f"\nCommand Output: {AWAY[engine]}")


def _create(given: Any, engine: str, there: dict[str, Any]) -> None:
    name = given.name or "kind"
    _reach(engine, there, "failed to create cluster: failed to get docker info")
    if nodes_of(there, name):
        _kind_error(f'failed to create cluster: node(s) already exist for a cluster with the name "{name}"')
    if len(name) > 50:
        die(f"fake: cluster name {name!r} is too long for a host's name", 99)
    config = json.loads(sys.stdin.read()) if given.config == "-" else {}
    unknown = set(config) - {"kind", "apiVersion", "nodes"}
    unknown |= {key for node in config.get("nodes", ()) for key in set(node) - {"role", "labels", "image"}}
    if unknown or config.get("apiVersion") != "kind.x-k8s.io/v1alpha4" or config.get("kind") != "Cluster":
        _kind_error(f"failed to create cluster: unable to decode config: {config} {sorted(unknown)}")
    nodes = config["nodes"]
    if [node["role"] for node in nodes] != ["control-plane"] + ["worker"] * (len(nodes) - 1):
        _kind_error("failed to create cluster: must have at least one control-plane node")
    image = given.image or NODE_IMAGE
    print(f'Creating cluster "{name}" ...', file=sys.stderr)
    _step(f"Ensuring node image ({image.split('@')[0]}) 🖼", done=there["fault"] != "pull")
    if there["fault"] == "pull":
        print(
            f'ERROR: failed to create cluster: failed to pull image "{image}": exit status 1', file=sys.stderr
        )
        die("\nCommand Output: Error response from daemon: lookup registry-1.docker.io: no such host")
    counts: dict[str, int] = {}
    for node in nodes:
        role = node["role"]
        counts[role] = counts.get(role, 0) + 1
        own = f"{name}-{role}{counts[role] if counts[role] > 1 else ''}"
        volume = os.urandom(32).hex()
        there["volumes"][volume] = own
        labels = ",".join(f"{key}={value}" for key, value in node.get("labels", {}).items())
        there["containers"][own] = {
            "id": os.urandom(32).hex(),
            "cluster": name,
            "state": "running",
            "volumes": [volume],
            "image": image,
            "images": ["registry.k8s.io/pause:3.10.1"],
            "settings": f'node-labels: "{labels}"\n',
        }
    if there["fault"] == "run":
        # kind lists the nodes to delete, and one that was never there had a volume already.
        for own in [one for one in there["containers"] if there["containers"][one]["cluster"] == name]:
            gone = there["containers"].pop(own)
            if engine == "docker":
                del there["volumes"][gone["volumes"][0]]
        end(lambda: _kind_error(f'failed to create cluster: command "{engine} run" failed: exit status 125'))
    _step("Preparing nodes 📦 ")
    _step("Writing configuration 📜")
    if there["fault"] == "killed":
        raise Killed
    _step("Starting control-plane 🕹️", done=there["fault"] != "kubeadm")
    if there["fault"] == "kubeadm":
        print(f'Deleted nodes: ["{name}-control-plane"]', file=sys.stderr)
        _remove(there, name)
        end(lambda: _kind_error("failed to create cluster: failed to init node with kubeadm: exit status 1"))
    _step("Installing CNI 🔌")
    _step("Installing StorageClass 💾")
    if len(nodes) > 1:
        _step("Joining worker nodes 🚜")
    _write_kubeconfig(given.kubeconfig, name, "failed to create cluster: ")
    print(f'Set kubectl context to "kind-{name}"', file=sys.stderr)
    print(
        f"You can now use your cluster with:\n\nkubectl cluster-info --context kind-{name}", file=sys.stderr
    )


def _step(words: str, *, done: bool = True) -> None:
    print(f" • {words}  ...", file=sys.stderr)
    print(f" {'✓' if done else '✗'} {words}", file=sys.stderr)


def _write_kubeconfig(file: str, name: str, before: str) -> None:
    path, context = Path(file), f"kind-{name}"
    if Path(f"{path}.lock").exists():
        text = f"{before}failed to lock config file: open {path}.lock: file exists"
        end(lambda: _kind_error(text))
    if real := os.environ.get("FAKE_KIND_CLUSTER"):
        import subprocess

        view = ["kubectl", "config", "view", "--raw", "--flatten", "--minify", "--output", "json"]
        environment = os.environ | {"KUBECONFIG": real}
        config = json.loads(subprocess.run(view, env=environment, capture_output=True, check=True).stdout)
        for key in ("contexts", "clusters", "users"):
            config[key][0]["name"] = context
        config["contexts"][0]["context"].update(cluster=context, user=context)
    else:
        config = {"apiVersion": "v1", "kind": "Config", "contexts": [{"name": context}]}
    config["current-context"] = context
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(config, out)


def _export(given: Any, engine: str, there: dict[str, Any]) -> None:
    _reach(engine, there, "failed to list nodes")
    control = there["containers"].get(f"{given.name}-control-plane")
    if control is None:
        _kind_error(
            f"could not locate any control plane nodes for cluster named '{given.name}'. "
            "Use the --name option to select a different cluster"
        )
    if control["state"] != "running":
        print("ERROR: failed to get cluster internal kubeconfig: exit status 1", file=sys.stderr)
        die(f"\nCommand Output: {NOT_RUNNING[engine]}")
    _write_kubeconfig(given.kubeconfig, given.name, "")
    print(f'Set kubectl context to "kind-{given.name}"', file=sys.stderr)


def _delete(given: Any, engine: str, there: dict[str, Any]) -> None:
    print(f'Deleting cluster "{given.name}" ...', file=sys.stderr)
    _reach(
        engine, there, f'failed to delete cluster "{given.name}": error listing nodes: failed to list nodes'
    )
    if there["fault"] == "stuck":
        _kind_error(f'failed to delete cluster "{given.name}": failed to delete nodes: exit status 1')
    if Path(f"{given.kubeconfig}.lock").exists():
        print("failed to update kubeconfig: failed to lock config file", file=sys.stderr)
    Path(given.kubeconfig).unlink(missing_ok=True)
    gone = _remove(there, given.name)
    if there["fault"] == "raced":
        end(
            lambda: _kind_error(
                f'failed to delete cluster "{given.name}": failed to delete nodes: exit status 1'
            )
        )
    if gone:
        print(f"Deleted nodes: [{' '.join(json.dumps(one) for one in gone)}]", file=sys.stderr)
    real = os.environ.get("FAKE_KIND_CLUSTER")
    if real and gone:
        import subprocess

        label = f"kubefuture-project={given.name.removeprefix('kubefuture-')}"
        command = ["kubectl", "delete", "namespaces", "--selector", label, "--wait=true"]
        subprocess.run(command, env=os.environ | {"KUBECONFIG": real}, capture_output=True, check=True)


def _remove(there: dict[str, Any], cluster: str) -> list[str]:
    gone = list(nodes_of(there, cluster))
    for name in gone:
        for volume in there["containers"].pop(name)["volumes"]:
            del there["volumes"][volume]
    return gone


def _clusters(given: Any, engine: str, there: dict[str, Any]) -> None:
    _reach(engine, there, "failed to list clusters")
    found = sorted({one["cluster"] for one in there["containers"].values()})
    print("\n".join(found) if found else "No kind clusters found.", file=sys.stdout if found else sys.stderr)


def _load(given: Any, engine: str, there: dict[str, Any]) -> None:
    [archive] = given.arguments
    if not Path(archive).exists():
        _kind_error(f"stat {archive}: no such file or directory")
    _reach(engine, there, "failed to list nodes")
    nodes = nodes_of(there, given.name)
    if not nodes:
        _kind_error(f'no nodes found for cluster "{given.name}"')
    if any(one["state"] != "running" for one in nodes.values()):
        print("ERROR: failed to detect containerd snapshotter: exit status 1", file=sys.stderr)
        die(f"\nCommand Output: {NOT_RUNNING[engine]}")
    if there["fault"] == "full":
        print(
            'ERROR: failed to load image: command "ctr images import" failed with error: exit status 1',
            file=sys.stderr,
        )
        die("\nCommand Output: ctr: write /var/lib/containerd: no space left on device")
    import tarfile  # many of these programs are started, and only this one needs it

    with tarfile.open(archive) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        names = [name for one in json.load(file) for name in one["RepoTags"]]
    for one in nodes.values():
        one["images"] += [name for name in names if name not in one["images"]]
    if os.environ.get("FAKE_KIND_CLUSTER"):
        import subprocess

        from tests.faults.fake_nodes import pull_on_every_node

        for name in names:
            push = [os.environ["FAKE_KIND_PODMAN"], "push", "--tls-verify=false", name]
            subprocess.run(push, capture_output=True, check=True)
            pull_on_every_node(name)


def _logs(given: Any, engine: str, there: dict[str, Any]) -> None:
    [folder] = given.arguments
    _reach(engine, there, "failed to list clusters")
    nodes = nodes_of(there, given.name)
    if not nodes:
        _kind_error(f'unknown cluster "{given.name}"')
    for name in nodes:
        Path(folder, name).mkdir(parents=True, exist_ok=True)
        Path(folder, name, "kubelet.log").write_text("kubelet\n")
    print(f'Exporting logs for cluster "{given.name}" to:', file=sys.stderr)
    print(folder)


_KIND: dict[str, tuple[list[str], list[str], Callable[[Any, str, dict[str, Any]], None]]] = {
    "version": (["version"], [], lambda *_: None),
    "create": (["create", "cluster"], ["--name", "--config", "--image", "--wait", "--kubeconfig"], _create),
    "export": (["export", "kubeconfig"], ["--name", "--kubeconfig"], _export),
    "logs": (["export", "logs"], ["--name"], _logs),
    "delete": (["delete", "cluster"], ["--name", "--kubeconfig"], _delete),
    "clusters": (["get", "clusters"], [], _clusters),
    "load": (["load", "image-archive"], ["--name", "--nodes"], _load),
}


def main() -> None:
    """Does what its name and its arguments say."""
    name, words = sys.argv[1], sys.argv[2:]
    ended: Ended | None = None
    with locked(Path(os.environ["FAKE_KIND_STATE"])) as state:
        try:
            if name in ENGINES:
                engine(name, words, state)
            else:
                {"kind": kind, "kubectl": kubectl, "helm": helm}[name](words, state)
        except Ended as end:
            ended = end
        except Killed:
            ended = Ended(lambda: sys.exit(137))
    if ended:
        ended.act()


if __name__ == "__main__":
    main()
