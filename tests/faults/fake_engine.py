"""`docker` and `podman`, as far as nodes of kind and images go: no containers, but the same words and refusals.

Where FAKE_KIND_PODMAN names a real podman, that builds and keeps the images.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.faults.fake_machine import Parser, die, nodes_of

AWAY = {
    "docker": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "podman": "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system "
    "connection list`, or try `podman machine init` and `podman machine start`",
}
VERSION = {"docker": "Docker version 28.2.2, build e6534b4", "podman": "podman version 5.2.2"}
NOT_RUNNING = {
    "docker": "Error response from daemon: container is not running",
    "podman": "Error: can only create exec sessions on running containers: container state improper",
}


def engine(name: str, words: list[str], state: dict[str, Any]) -> None:
    """Does what docker or podman do."""

    def usage(message: str) -> NoReturn:
        die(f"unknown flag or argument: {message}\n\nUsage:  {name} {' '.join(words)}", 125)

    real = os.environ.get("FAKE_KIND_PODMAN", "")
    if real and (words[0] in ("build", "save") or words[:2] in (["image", "ls"], ["image", "rm"])):
        os.execv(real, [real, *words])
    there = state[name]
    if there["fault"] == "podman":  # as the package podman-docker makes a `docker`
        print(
            "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.", file=sys.stderr
        )
        engine("podman", words, state)
        return
    if words == ["--version"]:
        print(VERSION[name])
        return
    if there["away"]:
        if words[0] == "info" and name == "docker":
            print("0 0")
        die(AWAY[name])
    act, options, flags = _ENGINE.get(
        words[0] if words[0] in _ENGINE else " ".join(words[:2]), (None, (), ())
    )
    if act is None:
        usage(" ".join(words[:2]))
    rest = words[1:] if words[0] in _ENGINE else words[2:]
    if words[0] == "exec":
        act(name, there, rest)
        return
    parser = Parser(usage)
    for option in options:
        parser.add_argument(option, action="append" if option in _REPEATED else "store")
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    parser.add_argument("arguments", nargs="*")
    act(name, there, parser.parse_args(rest))


_REPEATED = ("--build-arg", "--secret")


def _info(name: str, there: dict[str, Any], given: Any) -> None:
    known = {"docker": "{{.MemTotal}} {{.NCPU}}", "podman": "{{.Host.MemTotal}} {{.Host.CPUs}}"}
    if given.format and given.format != known[name]:
        die(f"template parsing error: {given.format}")
    print(f"{64 << 30} 16" if given.format else "Client:\n Version: 28.2.2")


def _ps(name: str, there: dict[str, Any], given: Any) -> None:
    assert given.all and given.no_trunc and given.quiet, "fake: stopped nodes count, and ids are told in full"
    key, _, cluster = given.filter.removeprefix("label=").partition("=")
    assert key == "io.x-k8s.kind.cluster", given.filter
    for one in reversed(nodes_of(there, cluster).values()):
        print(one["id"])


def _inspect(name: str, there: dict[str, Any], given: Any) -> None:
    shown: list[Any] = []
    for wanted in given.arguments:
        found = [(own, one) for own, one in there["containers"].items() if wanted in (own, one["id"])]
        if not found:
            print(json.dumps(shown))
            die(f"Error response from daemon: No such container: {wanted}", 1 if name == "docker" else 125)
        [(own, one)] = found
        mounts: list[dict[str, str]] = [{"Type": "volume", "Name": volume} for volume in one["volumes"]]
        mounts.append({"Type": "bind", "Source": "/lib/modules"})
        # docker writes a slash before a name.
        shown.append(
            {
                "Id": one["id"],
                "Name": f"/{own}" if name == "docker" else own,
                "State": {"Status": one["state"]},
                "Mounts": mounts,
            }
        )
    print(json.dumps(shown))


def _start(name: str, there: dict[str, Any], given: Any) -> None:
    for own in given.arguments:
        if own not in there["containers"]:
            die(f"Error response from daemon: No such container: {own}")
        there["containers"][own]["state"] = "running"
        print(own)


def _exec(name: str, there: dict[str, Any], words: list[str]) -> None:
    own, *command = words
    one = there["containers"].get(own)
    if one is None:
        die(f"Error response from daemon: No such container: {own}")
    if one["state"] != "running":
        die(NOT_RUNNING[name])
    if command == ["crictl", "images", "--output", "json"]:
        print(json.dumps({"images": [{"id": "sha256:0", "repoTags": [tag]} for tag in one["images"]]}))
    elif command == ["cat", "/kind/kubeadm.conf"]:
        print(one["settings"], end="")
    else:
        die(f"fake: nobody here runs {command} in a node", 127)


def _volumes(name: str, there: dict[str, Any], given: Any) -> None:
    assert given.format == "{{.Name}} {{.Labels}}", given.format
    for volume, node in there["volumes"].items():
        print(volume, f"map[{node}:true]" if name == "podman" else "com.docker.volume.anonymous=")


def _remove_volume(name: str, there: dict[str, Any], given: Any) -> None:
    for volume in given.arguments:
        if any(volume in one["volumes"] for one in there["containers"].values()):
            die(f"Error response from daemon: remove {volume}: volume is in use")
        del there["volumes"][volume]
        print(volume)


def _images(name: str, there: dict[str, Any], given: Any) -> None:
    assert given.format == "{{.Repository}}:{{.Tag}}", given.format
    print("\n".join(there["images"]))


def _remove_image(name: str, there: dict[str, Any], given: Any) -> None:
    for image in given.arguments:
        if image not in there["images"]:
            die(f"Error response from daemon: No such image: {image}")
        there["images"].remove(image)
        print(f"Untagged: {image}")


def _build(name: str, there: dict[str, Any], given: Any) -> None:
    assert Path(given.arguments[0], "Dockerfile").is_file()
    assert {one.split("=")[0] for one in given.build_arg} == {"BASE", "PYTHON", "ARCHITECTURE", "APT"}
    assert given.platform == "linux/amd64"
    secrets = [dict(part.split("=") for part in one.split(",")) for one in given.secret]
    assert [one["id"] for one in secrets] == ["index", "certificates"]
    assert all(Path(one["src"]).is_file() for one in secrets)
    assert given.layers == (name == "podman")
    there["images"].append(given.tag)
    there["said"].append(f"build {given.tag}")
    print(f"naming to {given.tag} done")


def _save(name: str, there: dict[str, Any], given: Any) -> None:
    [image] = given.arguments
    if image not in there["images"]:
        die(f"Error response from daemon: reference does not exist: {image}")
    if name == "podman" and given.format != "docker-archive":
        die("fake: podman's own format is not the one that kind's nodes read everywhere", 99)
    content = json.dumps([{"Config": "c.json", "RepoTags": [image], "Layers": []}]).encode()
    import io
    import tarfile  # many of these programs are started, and only this one needs it

    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))


_ENGINE: dict[str, tuple[Any, tuple[str, ...], tuple[str, ...]]] = {
    "info": (_info, ("--format",), ()),
    "ps": (_ps, ("--filter",), ("--all", "--no-trunc", "--quiet")),
    "container inspect": (_inspect, (), ()),
    "start": (_start, (), ()),
    "unpause": (_start, (), ()),
    "exec": (_exec, (), ()),
    "volume ls": (_volumes, ("--format",), ()),
    "volume rm": (_remove_volume, (), ()),
    "image ls": (_images, ("--format",), ()),
    "image rm": (_remove_image, (), ()),
    "build": (_build, ("--build-arg", "--tag", "--platform", "--secret"), ("--layers",)),
    "save": (_save, ("--format",), ()),
}
