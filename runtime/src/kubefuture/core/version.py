"""Which versions this process has, and whether two sides fit together (R12)."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path

from ..protocol.messages import Environment
from .cpu_type import cpu_type


def own_environment() -> Environment:
    """This process's versions, and its CPU."""
    return Environment(
        python=platform.python_version(),
        cloudpickle=_version("cloudpickle"),
        msgspec=_version("msgspec"),
        numpy=_version("numpy"),
        lock=_lock_digest(),
        cpu=cpu_type(),
    )


def mismatch(client: Environment, worker: Environment) -> str:
    """What does not fit between two sides, as a sentence, or an empty string."""
    wrong = differences(client, worker)
    if not wrong:
        return ""
    return (
        f"This program and the cluster do not fit together: {wrong}. Run the program with "
        "`make run`, or `make down` and `make up` if packages have changed."
    )


def differences(client: Environment, worker: Environment) -> str:
    """What does not fit between two sides, as part of a sentence, or an empty string."""
    pairs = [
        ("Python", _first(client.python, 2), _first(worker.python, 2)),
        ("cloudpickle", _first(client.cloudpickle, 1), _first(worker.cloudpickle, 1)),
    ]
    if client.lock and worker.lock:
        pairs.append(("requirements.lock", client.lock[:12], worker.lock[:12]))
    else:
        pairs.append(("msgspec", _first(client.msgspec, 2), _first(worker.msgspec, 2)))
        pairs.append(("numpy", _first(client.numpy, 2), _first(worker.numpy, 2)))
    wrong = [
        f"{name} {one} here and {other} on the cluster"
        for name, one, other in pairs
        if one and other and one != other
    ]
    return ", ".join(wrong)


def _first(version: str, parts: int) -> str:
    return ".".join(version.split(".")[:parts])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _lock_digest() -> str:
    stamp = Path(sys.prefix) / "kubefuture-lock.sha256"
    try:
        return stamp.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def lock_digest(lock: Path) -> str:
    """The digest of a requirements.lock, as an environment made from it records it."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()
