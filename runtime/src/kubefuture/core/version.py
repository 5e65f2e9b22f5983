"""Which versions this process has, and whether two sides fit together (R12)."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path

from ..protocol.messages import PROTOCOL, Environment, Hello
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


def mismatch(client: Environment, worker: Environment, *, packages: bool = True) -> str:
    """What does not fit between two sides, as a sentence, or an empty string.

    Args:
        client: The one who asks.
        worker: The other side.
        packages: Whether these have to be the same, too; not for a worker that only hands over what it has run.
    """
    wrong = differences(client, worker, packages=packages)
    if not wrong:
        return ""
    return (
        f"This program and the cluster do not fit together: {wrong}. Start the program anew with "
        "`make run`; if that does not help, `make up` brings both up to date, or `make down` and then `make up`."
    )


def refusal(hello: Hello, environment: Environment) -> str:
    """Why a scheduler refuses somebody, or an empty string.

    Args:
        hello: What they said of themselves.
        environment: The scheduler's.
    """
    if hello.protocol != PROTOCOL:
        return (
            f"The scheduler speaks version {PROTOCOL} of the protocol, the {hello.role} version {hello.protocol}. "
            "Run `make down` and `make up`, so that all are of one version."
        )
    if hello.role == "control":
        return ""
    return mismatch(hello.environment, environment, packages=not hello.leaving)


def differences(client: Environment, worker: Environment, *, packages: bool = True) -> str:
    """What does not fit between two sides, as part of a sentence, or an empty string; see `mismatch`."""
    pairs = [
        ("Python", _first(client.python, 2), _first(worker.python, 2)),
        ("cloudpickle", _first(client.cloudpickle, 1), _first(worker.cloudpickle, 1)),
    ]
    if not packages:
        pass
    elif client.lock and worker.lock:
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
