"""values.yaml: read, checked against its schema, with defaults filled in.

    values.yaml + values.schema.json ──check──> Values        (the tools' environment: PyYAML, jsonschema)
                                        └─────> .kubefuture/values.json, with a digest of both files
    .kubefuture/values.json ──────────────────> Values        (any environment, while the digest fits)

A wrong file is one sentence: file, line, key, what was found, what is allowed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.connection import DASK
from .errors import ProjectError, explain
from .folder import Project
from .yaml_nodes import Document, Key, YamlProblem, parse

_FORMAT = "1"
_NEEDED = {
    "context": "the cluster's name in your kubeconfig (`kubectl config get-contexts` lists them)",
    "registry": "the registry that the workers' image is pushed to, such as registry.example.org/ann, or else "
    "packages.at_start: true",
}
"""Keys of `cluster` that the provider `existing` cannot do without, and what they are."""

_UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


@dataclass(frozen=True)
class Values:
    """What the project wants.

    Attributes:
        data: All keys, with defaults, as in the schema.
        pip_lines: The line in values.yaml of each item of packages.pip.
        digest: Of values.yaml and its schema.
    """

    data: Mapping[str, Any]
    pip_lines: tuple[int, ...]
    digest: str

    @property
    def provider(self) -> str:
        """Where the workers run."""
        return str(self.data["provider"])

    @property
    def engine(self) -> str:
        """Whose scheduler hands out the work."""
        return str(self.data["engine"])

    @property
    def count(self) -> int:
        """How many slots."""
        return int(self.data["workers"]["count"])

    @property
    def memory(self) -> int:
        """Bytes that a slot may use."""
        return in_bytes(self.data["workers"]["memory"])

    @property
    def apt(self) -> tuple[str, ...]:
        """The Debian packages of the image."""
        return tuple(self.data["packages"]["apt"])

    @property
    def at_start(self) -> bool:
        """Whether pods on a cluster install the packages themselves, without an image."""
        return self.provider != "local" and bool(self.data["packages"]["at_start"])

    @property
    def threads(self) -> int:
        """Threads that a numerical library may use in a slot."""
        return int(self.data["workers"]["threads_per_slot"])

    @property
    def env(self) -> dict[str, str]:
        """Environment variables of the workers."""
        return dict(self.data["workers"]["env"])

    @property
    def pip(self) -> tuple[str, ...]:
        """The packages that the user's code imports."""
        return tuple(self.data["packages"]["pip"])

    @property
    def max_workers(self) -> int:
        """The most slots that may be asked for."""
        return int(self.data["limits"]["max_workers"])


def load(project: Project, *, keep: bool = True) -> Values:
    """Reads and checks values.yaml.

    Args:
        project: The project.
        keep: Remember that this very file was checked; not for who must change nothing.

    Raises:
        ProjectError: It is missing, broken, or asks for what is not allowed.
    """
    text = _read(project.values_file, "it says what to run; get it back with `git checkout -- values.yaml`")
    schema_text = _read(project.schema_file, "it came with the project; get it back with `git checkout`")
    digest = hashlib.sha256(f"{_FORMAT}\0{text}\0{schema_text}".encode()).hexdigest()
    kept = _kept(project, digest)
    if kept is not None:
        return kept
    try:
        import jsonschema  # noqa: F401
        import yaml  # noqa: F401
    except ImportError:
        raise ProjectError("values.yaml has changed since it was last checked: run `make up`.") from None
    values = _check(project, text, json.loads(schema_text), digest)
    if keep:
        _keep(project, values)
    return values


def in_bytes(size: str) -> int:
    """A size such as 512Mi or 2Gi in bytes."""
    return int(float(size[:-2]) * _UNITS[size[-2:]])


_LEAST_MEMORY = 64 << 20
"""Bytes of a container below which no worker comes up."""


def _check(project: Project, text: str, schema: Mapping[str, Any], digest: str) -> Values:
    from .schema import complaints, with_defaults

    name = project.values_file.name
    try:
        document = parse(text)
    except YamlProblem as problem:
        raise ProjectError(f"{name}, line {problem.line}: {problem.problem}.") from None
    found = complaints(schema, document)
    if not found:
        data = with_defaults(schema, document.data or {})
        found = _contradictions(document, data)
    if found:
        line, sentence = found[0]
        raise ProjectError(f"{name}, line {line}: {sentence}")
    lines = tuple(document.line(("packages", "pip", index)) for index in range(len(data["packages"]["pip"])))
    return Values(data=data, pip_lines=lines, digest=digest)


def _contradictions(document: Document, data: Mapping[str, Any]) -> list[tuple[int, str]]:
    """What a schema cannot say: keys that do not go together."""
    found = []
    count, most = int(data["workers"]["count"]), int(data["limits"]["max_workers"])
    if count > most:
        limit: Key = ("limits", "max_workers")
        where = f"see line {document.line(limit)}" if limit in document.lines else "its default"
        sentence = f"workers.count is {count}; allowed is at most limits.max_workers, {most} ({where})."
        found.append((document.line(("workers", "count")), sentence))
    if data["provider"] != "local" and in_bytes(data["workers"]["memory"]) < _LEAST_MEMORY:
        sentence = (
            f"workers.memory is {data['workers']['memory']}; on a cluster allowed is at least "
            f"{_LEAST_MEMORY >> 20}Mi, since Python alone takes about as much."
        )
        found.append((document.line(("workers", "memory")), sentence))
    if data["provider"] == "local" and data["engine"] == DASK:
        sentence = (
            "engine is dask; that is for a cluster, and the provider is local. Here, leave engine out, add distributed "
            "to packages.pip, and let the script say kf.plan('dask'): it starts workers of Dask's by itself."
        )
        found.append((document.line(("engine",)), sentence))
    if data["provider"] == "local" and data["workers"]["env_from"]:
        sentence = (
            "workers.env_from names secrets of a cluster, and the provider is local. Here, leave it out, and set the "
            "variables before `make up`: workers start with its environment."
        )
        found.append((document.line(("workers", "env_from")), sentence))
    at_start = data["provider"] != "local" and data["packages"]["at_start"]
    if at_start and data["packages"]["apt"]:
        sentence = (
            "packages.apt needs an image, since nobody in a pod may install Debian packages: "
            "leave it empty, or write packages.at_start: false."
        )
        found.append((document.line(("packages", "apt")), sentence))
    if data["provider"] == "existing":
        for key, what in _NEEDED.items():
            if not data["cluster"][key] and not (at_start and key == "registry"):
                line = document.line(("cluster", key))
                found.append((line, f"cluster.{key} is empty; the provider {data['provider']} needs {what}."))
    return sorted(found)


def _read(path: os.PathLike[str], why: str) -> str:
    name = os.path.basename(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except FileNotFoundError:
        raise ProjectError(
            f"{name} is missing in {os.path.dirname(path)}: {why}, or go to your project."
        ) from None
    except UnicodeDecodeError:
        raise ProjectError(f"{name} is not UTF-8 text: save it as UTF-8 in your editor.") from None
    except IsADirectoryError:
        raise ProjectError(f"{name} is a folder, and should be a file: {why}.") from None
    except OSError as error:
        raise ProjectError(explain(error)) from None


def _kept(project: Project, digest: str) -> Values | None:
    try:
        content = json.loads((project.state / "values.json").read_bytes())
        if content["digest"] == digest:
            return Values(data=content["data"], pip_lines=tuple(content["pip_lines"]), digest=digest)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _keep(project: Project, values: Values) -> None:
    """Remembers that this very file was checked, which saves a quarter of a second a command."""
    draft = project.state / f".values.json.{os.getpid()}"
    content = {"digest": values.digest, "data": values.data, "pip_lines": values.pip_lines}
    try:
        project.state.mkdir(exist_ok=True)
        # workers.env may hold a password.
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(draft, project.state / "values.json")
    except OSError:
        # Only a convenience: what cannot be kept is checked again.
        try:
            draft.unlink(missing_ok=True)
        except OSError:
            pass
