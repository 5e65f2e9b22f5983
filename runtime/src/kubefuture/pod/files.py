"""The files that scheduler and worker want, made from what Kubernetes gives a pod.

A mounted secret belongs to root and is open to the pod's group; the programs accept only files that are their own
and private (R32), so they get copies, in memory.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..core.connection import DASK, NATIVE, Connection
from ..core.files import replace_private
from ..core.slots_file import write_slots
from ..errors import StartError

SECRET = Path("/etc/kubefuture")
"""Where token, certificate and, for the scheduler, the key are mounted."""

RUN = Path("/run/kubefuture")
"""A folder in memory, this container's own."""

STATE = Path("/var/lib/kubefuture")
"""A folder that a restart of the container survives; the scheduler's is a volume."""


def write_connection(project: str, address: str, engine: str = NATIVE) -> Path:
    """Makes the connection file.

    Args:
        project: The project's name.
        address: Where the scheduler is, `HOST:PORT`.
        engine: Whose scheduler it is.

    Returns:
        Its path.

    Raises:
        StartError: The secret is not there.
    """
    path = RUN / "connection.json"
    Connection(
        project=project,
        provider="kubernetes",
        address=f"tcp:{address}",
        token=_read("token").strip(),
        certificate=_read("tls.crt"),
        engine=engine,
        private_key=_read("tls.key") if engine == DASK else "",
    ).save(path)
    return path


def write_key() -> tuple[Path, Path]:
    """Copies certificate and key; returns their paths."""
    return _private("tls.crt"), _private("tls.key")


def one_slot() -> Path:
    """Makes the file with a worker's number of slots, which is one."""
    path = RUN / "slots"
    write_slots(path, 1)
    return path


def size_in_bytes(size: str) -> int:
    """A size as Kubernetes writes it, such as 10Gi.

    Raises:
        StartError: It is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]i?|k)?", size)
    if found is None:
        raise StartError(f"{size} is no size; one is written as 512Mi or 10Gi.")
    unit = (found[2] or "").upper()
    base = 1024 if unit.endswith("I") else 1000
    return int(float(found[1]) * base ** (" KMGT".index(unit[0]) if unit else 0))


def _private(name: str) -> Path:
    path = RUN / name
    replace_private(path, _read(name))
    return path


def _read(name: str) -> str:
    try:
        return (SECRET / name).read_text(encoding="ascii")
    except OSError as error:
        raise StartError(
            f"The secret with {name} is not mounted at {SECRET} ({error.strerror}); `make up` makes it."
        ) from None
