"""The logins for registries that docker, podman or buildah have stored: in files, or with programs that those name."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .image_name import Image

_SECONDS = 10.0
_HUB = "https://index.docker.io/v1/"
"""What docker calls Docker Hub where it stores a login."""

_OF_HUB = ("index.docker.io", "docker.io")
_ADDRESS = re.compile(r"^https?://(.+?)(/v[12])?/?$")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
_IS_TOKEN = "<token>"  # instead of a user, in what a helper says


@dataclass(frozen=True)
class Login:
    """A login for a registry; without both, there is none.

    Attributes:
        basic: User and password, as in HTTP.
        refresh: A token for which the registry's token service gives others.
    """

    basic: str = ""
    refresh: str = ""


def stored_login(image: Image) -> Login:
    """The login for an image's repository, or else for a folder above it or its registry, in the engines' order.

    Args:
        image: The image.
    """
    for path in _files():
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and (login := next(_logins(content, image), None)):
            return login
    return Login()


def _files() -> list[Path]:
    environment = os.environ
    docker = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    settings = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    files = [Path(runtime, "containers", "auth.json"), Path(f"/run/containers/{os.getuid()}/auth.json")]
    files += [Path(settings, "containers", "auth.json"), docker]
    named = environment.get("REGISTRY_AUTH_FILE")
    return [Path(named), *files] if named else files


def _logins(content: Mapping[str, Any], image: Image) -> Iterator[Login]:
    """What one file has for an image, the best first."""
    hosts = [image.registry, *(_OF_HUB if image.is_on_docker_hub else ())]
    folders = image.repository.split("/")
    places = ["/".join([host, *folders[:depth]]) for depth in range(len(folders), -1, -1) for host in hosts]
    for key, helper in _matching(content.get("credHelpers"), hosts):
        yield from _from_helper(str(helper), key)
    for _, entry in _matching(content.get("auths"), places):
        yield from _from_entry(entry)
    if store := content.get("credsStore"):
        servers = [image.registry, f"https://{image.registry}"]
        for server in [*servers, *((_HUB, *_OF_HUB) if image.is_on_docker_hub else ())]:
            yield from _from_helper(str(store), server)


def _matching(entries: object, places: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The entries for places, in the places' order; docker's keys may be addresses."""
    if not isinstance(entries, dict):
        return
    for place in places:
        if place in entries:
            yield place, entries[place]
        for key, entry in entries.items():
            address = _ADDRESS.match(key)
            if address and address[1] == place:
                yield key, entry


def _from_entry(entry: object) -> Iterator[Login]:
    if isinstance(entry, dict) and entry.get("identitytoken"):
        yield Login(refresh=str(entry["identitytoken"]))
    elif isinstance(entry, dict) and _BASE64.fullmatch(str(entry.get("auth") or "")):
        yield Login(basic=str(entry["auth"]))


def _from_helper(helper: str, server: str) -> Iterator[Login]:
    """What a credential helper of docker says: a program that reads a registry and prints a login."""
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
        content = json.loads(done.stdout)
        user, secret = str(content["Username"]), str(content["Secret"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return
    if user == _IS_TOKEN:
        yield Login(refresh=secret)
    else:
        yield Login(basic=base64.b64encode(f"{user}:{secret}".encode()).decode())
