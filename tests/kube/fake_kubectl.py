"""A kubectl that knows `get pods` and `logs`, and takes no flag that the real one has not.

What there is is in the folder FAKE_KUBECTL: `pods.json`; for each pod `NAME.log`, whose lines begin with a time, and
`NAME.before.log` of its container before; `calls`, to which each call is added; `away`, while no API server is there;
`silent`, while it takes connections and answers none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(os.environ.get("FAKE_KUBECTL", "."))


def put(folder: Path) -> None:
    """Makes a command `kubectl` of this file in a folder, for PATH."""
    folder.mkdir(exist_ok=True)
    command = folder / "kubectl"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "$@"\n')
    command.chmod(0o755)


def parser() -> argparse.ArgumentParser:
    """What the real one takes, as far as it is used."""
    arguments = argparse.ArgumentParser(prog="kubectl", allow_abbrev=False)
    arguments.add_argument("--context", required=True)
    arguments.add_argument("--namespace", required=True)
    arguments.add_argument("--request-timeout")
    commands = arguments.add_subparsers(dest="command", required=True)
    get = commands.add_parser("get", allow_abbrev=False)
    get.add_argument("kind", choices=["pods"])
    get.add_argument("--output", choices=["json"], required=True)
    logs = commands.add_parser("logs", allow_abbrev=False)
    logs.add_argument("pod", nargs="?")
    for one in (get, logs):
        one.add_argument("--selector", default="")
        one.add_argument("--request-timeout", default=argparse.SUPPRESS)
    for flag in ("--follow", "--timestamps", "--previous", "--prefix", "--all-containers", "--ignore-errors"):
        logs.add_argument(flag, action="store_true")
    logs.add_argument("--tail", type=int)
    logs.add_argument("--since-time", default="")
    logs.add_argument("--max-log-requests", type=int, default=5)
    return arguments


def chosen(options: argparse.Namespace) -> list[dict]:
    """The pods that are meant."""
    pods = json.loads((HERE / "pods.json").read_text())
    if getattr(options, "pod", None):
        return [pod for pod in pods if pod["metadata"]["name"] == options.pod]
    wanted = [part.split("=") for part in options.selector.split(",")]
    return [pod for pod in pods if all(pod["metadata"]["labels"].get(key) == value for key, value in wanted)]


def lines_of(options: argparse.Namespace, pod: dict) -> Iterator[str]:
    """What a pod has said; then, with --follow, what it says."""
    name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
    path = HERE / f"{name}{'.before' if options.previous else ''}.log"
    prefix = f"[pod/{name}/{container}] " if options.prefix else ""
    offset = 0
    while True:
        content = path.read_text() if path.exists() else ""
        lines = content[offset:].splitlines()
        if offset == 0 and options.tail is not None and options.tail >= 0:
            lines = lines[len(lines) - options.tail :] if options.tail else []
        offset = len(content)
        for line in lines:
            if line.split(" ", 1)[0] >= options.since_time.rstrip("Z"):
                yield prefix + line
        if not options.follow:
            return
        yield ""


def say_logs(options: argparse.Namespace) -> None:
    """Prints them as the real one does: one pod after the other, or all at once when it follows."""
    assert options.timestamps
    pods = chosen(options)
    if options.pod and not pods:
        sys.exit(f'Error from server (NotFound): pods "{options.pod}" not found')
    if options.follow and len(pods) > options.max_log_requests:
        sys.exit(f"error: you are attempting to follow {len(pods)} log streams")
    streams = []
    for pod in pods:
        if pod["status"].get("containerStatuses"):
            streams.append(lines_of(options, pod))
        elif options.ignore_errors:
            print(f'error: container in pod "{pod["metadata"]["name"]}" is waiting to start')
        else:
            sys.exit("Error from server (BadRequest): container is waiting to start: ContainerCreating")
    while streams:
        for stream in list(streams):
            for line in stream:
                if not line:
                    break
                print(line, flush=True)
            else:
                streams.remove(stream)
        if (HERE / "away").exists():
            sys.exit("error: unexpected EOF")
        time.sleep(0.01)


def main() -> None:
    """Does what its arguments say."""
    with open(HERE / "calls", "a") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\n")
    options = parser().parse_args()
    while (HERE / "silent").exists():
        time.sleep(0.01)
    if (HERE / "away").exists():
        sys.exit(
            "The connection to the server 127.0.0.1:9 was refused - did you specify the right host or port?"
        )
    if options.command == "get":
        print(json.dumps({"items": chosen(options)}))
    else:
        say_logs(options)


if __name__ == "__main__":
    main()
