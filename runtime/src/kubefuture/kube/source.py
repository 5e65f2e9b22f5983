"""What pods install themselves from where there is no image: the project's lock and the runtime, in an archive.

contents ──> .tar.xz ──> ConfigMap, named by its hash ─┐
package index, with passwords ──> Secret ──────────────┴─> pods: install.py, before their program starts
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from typing import Any

from ..project import index
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.index import Index
from .commands import KubeError, find, kubectl, kubectl_json
from .contents import INSTALLER, contents
from .image import PYTHON
from .place import LABEL, Place

ARCHIVE = "project.tar.xz"

LIMIT = 1 << 20
"""Bytes that a ConfigMap may hold, names included."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_MARK = "kubefuture-source"
_APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=kubefuture", "--filename", "-")


def ensure(project: Project, place: Place, env: Mapping[str, str]) -> tuple[dict[str, Any], bool]:
    """Sees that the namespace has what pods install themselves from.

    Args:
        project: The project, whose lock is current.
        place: Where.
        env: See `told`.

    Returns:
        What the chart is told about it, and whether anything was made now.

    Raises:
        ProjectError: It is too large, or the cluster does not take it.
    """
    archive, installer, chart = _of(project, place, env)
    name = chart["configMap"]
    made = not is_there(place, name)
    if made:
        manifest = _manifest("ConfigMap", name, place) | {
            "immutable": True,
            "binaryData": {ARCHIVE: base64.b64encode(archive).decode()},
            "data": {INSTALLER: installer.decode()},
        }
        kubectl(place, *_APPLY, stdin=json.dumps(manifest))
    kubectl(place, *_APPLY, stdin=json.dumps(_secret(chart["secret"], place, _reached(project, env))))
    return chart, made


def told(project: Project, place: Place, env: Mapping[str, str]) -> dict[str, Any]:
    """What the chart is told about it.

    Args:
        project: The project, whose lock is current.
        place: Where.
        env: The workers' environment variables: those for uv and pip count more than this machine's, and a proxy is one
            that the cluster knows.

    Raises:
        ProjectError: It is too large, or an address in `env` is none.
    """
    return _of(project, place, env)[2]


def is_there(place: Place, name: str) -> bool:
    """Whether the namespace has an archive of this name.

    Raises:
        KubeError: The cluster does not say.
    """
    return find(place, "configmap", name) is not None


def _of(project: Project, place: Place, env: Mapping[str, str]) -> tuple[bytes, bytes, dict[str, Any]]:
    archive, installer = packed(project), dict(contents(project))[INSTALLER]
    size = len(archive) + len(installer) + 100
    if size > LIMIT:
        raise ProjectError(
            f"requirements.lock and the runtime are {size >> 10} KiB when packed, and a ConfigMap holds 1024. "
            "Ask for fewer packages in packages.pip, or build an image: packages.at_start: false, and cluster.registry."
        )
    places = [*_indexes(project, env), *(_proxy(name, env[name]) for name in _PROXIES if env.get(name))]
    chart = {
        "configMap": f"{place.release}-source-{hashlib.sha256(archive + installer).hexdigest()[:12]}",
        "archive": ARCHIVE,
        "python": PYTHON,
        "secret": f"{place.release}-index",
        "egress": [{"cidr": block, "port": port} for block, port in dict.fromkeys(places)],
    }
    return archive, installer, chart


def _indexes(project: Project, env: Mapping[str, str]) -> list[tuple[str, int]]:
    try:
        return _reached(project, env).places()
    except ValueError:
        raise ProjectError(
            "The address of a package index is none, perhaps for its port. Correct UV_DEFAULT_INDEX, UV_INDEX, or what "
            "else tells uv or pip here where packages are."
        ) from None


def _proxy(name: str, address: str) -> tuple[str, int]:
    try:
        return index.place_of(address)
    except ValueError:  # whose words may hold a part of a password
        raise ProjectError(
            f"{name} in workers.env of values.yaml is no address of a proxy, perhaps for its port. Write it as "
            "http://HOST:PORT, with %2F for a / in a password."
        ) from None


def _reached(project: Project, env: Mapping[str, str]) -> Index:
    own = {name: value for name, value in env.items() if name.startswith(("UV_", "PIP_"))}
    return index.find(project.folder, {**os.environ, **own})


def forget_unused(place: Place) -> None:
    """Deletes what neither pods that run nor a rollback need any more.

    Raises:
        KubeError: The cluster does not say, or does not do it.
    """
    selector = f"{LABEL}={place.slug},{_MARK}=true"
    try:
        there = kubectl_json(place, "get", "configmaps,secrets", "--selector", selector)["items"]
    except KubeError as error:
        if error.is_forbidden:
            return  # then there is none
        raise
    if not there:
        return
    used = kubectl(place, "get", "replicasets", "--selector", place.selector, "--output", "json")
    for one in there:
        name = one["metadata"]["name"]
        if f'"{name}"' not in used:
            kubectl(place, "delete", one["kind"].lower(), name, "--ignore-not-found")


def packed(project: Project) -> bytes:
    """The archive; the same content gives the same bytes.

    Raises:
        ProjectError: Something is missing.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as archive:
        for inside, content in contents(project):
            if inside != INSTALLER:
                info = tarfile.TarInfo(inside)
                info.size, info.mode = len(content), 0o644
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _secret(name: str, place: Place, reached: Index) -> dict[str, Any]:
    content = {"index": json.dumps(reached.variables()).encode(), "certificates": reached.certificates}
    data = {key: base64.b64encode(value).decode() for key, value in content.items()}
    return _manifest("Secret", name, place) | {"type": "Opaque", "data": data}


def _manifest(kind: str, name: str, place: Place) -> dict[str, Any]:
    labels = {LABEL: place.slug, _MARK: "true"}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}}
