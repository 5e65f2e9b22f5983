"""What runs on the nodes of a fake kind: a `kubectl` that knows little, or a real cluster behind them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.faults.fake_machine import die, nodes_of


def kubectl(words: list[str], state: dict[str, Any]) -> None:
    """Knows nodes and storage classes of a cluster whose nodes run, and the version of itself."""
    if words[:2] == ["version", "--client"]:
        print(json.dumps({"clientVersion": {"gitVersion": "v1.36.3"}}))
        return
    option, context, *rest = words
    assert option == "--context", words
    if rest[0] == "--namespace":
        rest = rest[2:]
    timeout, *rest = rest
    assert timeout.startswith("--request-timeout="), words
    try:
        config = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
    except FileNotFoundError:
        config = {"contexts": []}
    if context not in [one["name"] for one in config["contexts"]]:
        die(f'error: context "{context}" does not exist')
    cluster = context.removeprefix("kind-")
    nodes = {name: one for there in state.values() for name, one in nodes_of(there, cluster).items()}
    control = nodes.get(f"{cluster}-control-plane", {"state": "gone"})
    if control["state"] != "running" or any(there["fault"] == "deaf" for there in state.values()):
        die(
            "The connection to the server 127.0.0.1:40001 was refused - did you specify the right host or port?"
        )
    if rest == ["get", "nodes", "--output", "json"]:
        ready = {True: "True", False: "Unknown"}
        items = [
            {
                "metadata": {"name": name},
                "status": {"conditions": [{"type": "Ready", "status": ready[one["state"] == "running"]}]},
            }
            for name, one in nodes.items()
        ]
    elif rest == ["get", "storageclass", "--output", "json"]:
        items = [{"metadata": {"name": "standard"}}]
    elif rest[:3] == ["get", "pods", "--selector"]:
        items = []
    else:
        die(f"fake: nobody asks kubectl this without a real cluster: {rest}", 99)
    print(json.dumps({"items": items}))


def helm(words: list[str], state: dict[str, Any]) -> None:
    """Knows its version alone."""
    assert words == ["version", "--template", "{{.Version}}"], words
    print("v4.0.1")


def pull_on_every_node(image: str) -> None:
    """A pod on each node, that a later one whose image is never pulled finds it there."""
    import subprocess

    kubectl = ["kubectl", "--namespace", "default"]
    environment = os.environ | {"KUBECONFIG": os.environ["FAKE_KIND_CLUSTER"]}

    def run(*arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            [*kubectl, *arguments], env=environment, input=given, capture_output=True, text=True, check=True
        )
        return done.stdout

    names = []
    for node in run("get", "nodes", "--output", "name").split():
        name = f"pull-{os.urandom(4).hex()}"
        names.append(name)
        container = {"name": "pull", "image": image, "command": ["true"]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"nodeName": node.split("/")[1], "restartPolicy": "Never", "containers": [container]},
        }
        run("apply", "--filename", "-", given=json.dumps(pod))
    for name in names:
        run("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=240s")
    run("delete", "pod", *names, "--grace-period=0", "--force")
