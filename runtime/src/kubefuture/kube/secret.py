"""The secret of a release: the token, and the certificate with its key. Made once, kept over upgrades (R31).

It goes to kubectl on its standard input: not into a file, nor a command line that others can read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from ..core.certificate import make_certificate
from ..core.connection import DASK, Connection
from ..errors import KubefutureError
from ..project.errors import ProjectError
from ..project.folder import Project
from .commands import find, kubectl
from .namespace import MARK
from .place import LABEL, Place

PORT = 7000


@dataclass(frozen=True, repr=False)
class Secret:
    """What opens a cluster.

    Attributes:
        token: See `Connection`.
        certificate: See `Connection`.
        key: The certificate's.
        version: Another one when it is rotated; not secret.
    """

    token: str
    certificate: str
    key: str
    version: str


def read(place: Place) -> Secret | None:
    """The secret that is there, or None.

    Raises:
        KubeError: It cannot be told.
        ProjectError: It is damaged.
    """
    found = find(place, "secret", place.secret)
    if found is None:
        return None
    try:
        token, certificate, key = (_decoded(found, name) for name in ("token", "tls.crt", "tls.key"))
    except (KeyError, ValueError):
        raise ProjectError(
            f"The secret {place.secret} in namespace {place.namespace} is damaged. Make a new one: make rotate"
        ) from None
    return _secret(token, certificate, key)


def ensure(place: Place, engine: str, mark: str, *, anew: bool = False) -> tuple[Secret, bool]:
    """The secret, made if there is none.

    Args:
        place: Where.
        engine: For whose scheduler.
        mark: What this checkout marks its own with.
        anew: Make another one in any case.

    Returns:
        The secret, and whether it was made now.

    Raises:
        KubeError: It cannot be made.
    """
    there = None if anew else read(place)
    if there is not None:
        return there, False
    certificate, key = make_certificate(mutual=engine == DASK)
    content = {"token": secrets.token_hex(32), "tls.crt": certificate, "tls.key": key}
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": place.secret, "labels": {LABEL: place.slug, MARK: mark}},
        "type": "Opaque",
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in content.items()},
    }
    apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kubefuture", "--filename", "-"]
    kubectl(place, *apply, stdin=json.dumps(manifest))
    return _secret(content["token"], certificate, key), True


def connection(project: Project, place: Place, engine: str, secret: Secret) -> Connection:
    """How a program on this machine reaches the release.

    Args:
        project: The project.
        place: Where it is.
        engine: Whose scheduler it is. Only Dask's wants the key from those who connect.
        secret: What opens it.
    """
    return Connection(
        project=project.name,
        provider=place.provider,
        address=f"kubectl:{place.namespace}/{place.service}:{PORT}",
        token="" if engine == DASK else secret.token,
        certificate=secret.certificate,
        kubeconfig=place.kubeconfig,
        context=place.context,
        engine=engine,
        private_key=secret.key if engine == DASK else "",
    )


def is_saved(project: Project, place: Place, engine: str, secret: Secret) -> bool:
    """Whether the project's connection file says that already."""
    try:
        return Connection.load(project.connection_file) == connection(project, place, engine, secret)
    except KubefutureError:
        return False


def _secret(token: str, certificate: str, key: str) -> Secret:
    return Secret(token, certificate, key, hashlib.sha256(certificate.encode()).hexdigest()[:12])


def _decoded(found: Any, key: str) -> str:
    return base64.b64decode(found["data"][key], validate=True).decode("ascii")
