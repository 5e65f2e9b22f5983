"""What the fakes of kind, docker and podman share: what is on the machine that they pretend to be, in a file."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

ENGINES = ("docker", "podman")
_ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tests.faults.fake_kind import main; main()"


class FakeKind:
    """The commands in a folder, and what they made.

    Args:
        folder: Where they are put.
        engines: Those that this machine is to have.
        cluster: A kubeconfig of a real cluster that the one that is made is to be.
    """

    def __init__(self, folder: Path, engines: tuple[str, ...] = ("docker",), cluster: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._state = folder / "state.json"
        self._state.write_text(json.dumps({name: empty() for name in ENGINES}))
        for name in ["kind", *engines, *([] if cluster else ["kubectl", "helm"])]:
            command = self.bin / name
            command.write_text(
                f'#!/bin/sh\nexec "{sys.executable}" -S -I -c \'{_START}\' "{_ROOT}" {name} "$@"\n'
            )
            command.chmod(0o755)
        self._cluster = cluster

    def environment(self, **changes: str) -> dict[str, str]:
        """What a command needs in its environment to find them."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        told = {"FAKE_KIND_STATE": str(self._state), "FAKE_KIND_CLUSTER": self._cluster, "PATH": path}
        if self._cluster:
            told["FAKE_KIND_PODMAN"] = str(shutil.which("podman"))
        return told | changes

    @contextmanager
    def change(self, engine: str = "docker") -> Iterator[Any]:
        """What an engine has, to look at and to change."""
        with locked(self._state) as state:
            yield state[engine]

    def containers(self, engine: str = "docker") -> dict[str, Any]:
        """Its containers, by name."""
        with self.change(engine) as there:
            return dict(there["containers"])


def empty() -> dict[str, Any]:
    return {"away": False, "fault": "", "containers": {}, "volumes": {}, "images": [], "said": []}


@contextmanager
def locked(path: Path) -> Iterator[Any]:
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = path.read_text()
        state = json.loads(before)
        yield state
        if (after := json.dumps(state, indent=1)) != before:
            path.write_text(after)


def die(words: str, code: int = 1) -> NoReturn:
    print(words, file=sys.stderr)
    sys.exit(code)


class Parser(argparse.ArgumentParser):
    """Fails as the real commands fail, not as argparse does."""

    def __init__(self, complain: Callable[[str], NoReturn]) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._complain = complain

    def error(self, message: str) -> NoReturn:
        """Says what is wrong."""
        self._complain(message)


class Killed(BaseException):
    """It was killed there; what it had made stays."""


class Ended(BaseException):
    """It ends with an error, and what it changed until then counts."""

    def __init__(self, act: Callable[[], NoReturn]) -> None:
        super().__init__()
        self.act = act


def end(act: Callable[[], NoReturn]) -> NoReturn:
    raise Ended(act)


def nodes_of(there: dict[str, Any], cluster: str) -> dict[str, Any]:
    """The containers of a cluster among those of an engine, by name."""
    return {name: one for name, one in there["containers"].items() if one["cluster"] == cluster}
