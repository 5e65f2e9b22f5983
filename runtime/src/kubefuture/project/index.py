"""Where packages come from: the user's own settings for uv, or else for pip. They may hold a password.

    UV_… variables, uv.toml, [tool.uv] of pyproject.toml ──┐
    where these name no index: PIP_… variables, pip.conf ──┴─> Index ──> uv here, image builds, pods without an image

Used by bootstrap.py too, so it needs the standard library alone.
"""

from __future__ import annotations

import configparser
import ipaddress
import netrc
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

_MOST_CERTIFICATES = 700_000
"""Bytes; a secret of Kubernetes holds a megabyte."""


@dataclass(frozen=True, repr=False)
class Index:
    """How packages are reached.

    Attributes:
        default: The main index's address; empty for PyPI.
        others: Those that are asked before it.
        insecure: Hosts whose certificate is not checked.
        certificates: Authorities that this machine trusts beyond the usual ones, as PEM; may be empty.
    """

    default: str
    others: tuple[str, ...]
    insecure: tuple[str, ...]
    certificates: bytes

    def variables(self) -> dict[str, str]:
        """Environment variables that tell it to uv and to pip."""
        # uv takes an index without TLS as it is, pip does not; the lock's hashes protect what comes from it.
        plain = [urlsplit(url) for url in (self.default, *self.others) if urlsplit(url).scheme == "http"]
        trusted = [*self.insecure, *(parts.netloc.rpartition("@")[2] for parts in plain)]
        told = {
            "UV_DEFAULT_INDEX": self.default,
            "UV_INDEX": " ".join(self.others),
            "UV_INSECURE_HOST": " ".join(self.insecure),
            "PIP_INDEX_URL": self.default,
            "PIP_EXTRA_INDEX_URL": " ".join(self.others),
            "PIP_TRUSTED_HOST": " ".join(dict.fromkeys(trusted)),
        }
        return {name: value for name, value in told.items() if value}

    def passwords(self) -> list[str]:
        """What must not be shown, as it is written in addresses and as it is."""
        written = [urlsplit(url).password or "" for url in (self.default, *self.others)]
        return [one for word in written if word for one in {word, unquote(word)}]

    def places(self) -> list[tuple[str, int]]:
        """Block of addresses, empty for one that only a name server knows, and port of each index.

        Raises:
            ValueError: One is no address.
        """
        first = place_of(self.default) if self.default else _EVERYBODYS
        return list(dict.fromkeys((first, *map(place_of, self.others))))


_EVERYBODYS = ("", 443)
"""Where Python's own index is, which uv and pip know by themselves."""


def place_of(url: str) -> tuple[str, int]:
    """Block of addresses, empty for a name, and port of an address such as `https://host:8443/simple`.

    Args:
        url: The address; that of a proxy may be `host:3128` alone, which is `http://host:3128`.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        return str(ipaddress.ip_network(parts.hostname or "")), port
    except ValueError:
        return "", port


def find(folder: Path, environment: Mapping[str, str] = os.environ) -> Index:
    """How this machine reaches packages.

    Args:
        folder: The project's, which may have a uv.toml.
        environment: Environment variables.
    """
    home = Path(environment.get("HOME") or "~").expanduser()
    default, others, insecure = _of_uv(folder, home, environment)
    pip = _pip(home, environment)
    if not default and not others:
        default, others = pip.get("index-url", ""), pip.get("extra-index-url", "").split()
        insecure = insecure or pip.get("trusted-host", "").split()
    passwords = _netrc(home, environment)
    return Index(
        default=_with_login(default, passwords) if _is_remote(default) else "",
        others=tuple(_with_login(url, passwords) for url in others if _is_remote(url)),
        insecure=tuple(insecure),
        certificates=_certificates(environment, pip.get("cert", "")),
    )


def for_uv(folder: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for uv here, which knows its own settings, but not those for pip.

    Args:
        folder: The project's.
        environment: Environment variables.
    """
    home = Path(environment.get("HOME") or "~").expanduser()
    default, others, _ = _of_uv(folder, home, environment)
    if default or others:
        return dict(environment)
    told = {name: value for name, value in find(folder, environment).variables().items() if name[:3] == "UV_"}
    return {**told, **environment}


def _of_uv(
    folder: Path, home: Path, environment: Mapping[str, str]
) -> tuple[str, Sequence[str], Sequence[str]]:
    """Main index, others and insecure hosts, as uv itself finds them."""
    default = ""
    others: list[str] = []
    insecure: list[str] = []
    for settings in _uv_files(folder, home, environment):
        settings = {**settings, **settings.get("pip", {})}
        default = default or str(settings.get("index-url", ""))
        others += map(str, settings.get("extra-index-url", ()))
        insecure += map(str, settings.get("allow-insecure-host", ()))
        for one in settings.get("index", ()):
            url = _with_named_login(str(one.get("name", "")), str(one.get("url", "")), environment)
            if one.get("default"):
                default = default or url
            elif not one.get("explicit"):
                others.append(url)
    named = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    default = _unnamed(named, environment) if named else default
    given = environment.get("UV_INDEX") or environment.get("UV_EXTRA_INDEX_URL")
    others = [_unnamed(one, environment) for one in given.split()] if given else others
    return default, others, environment.get("UV_INSECURE_HOST", "").split() or insecure


def _uv_files(folder: Path, home: Path, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Settings of uv from files, those that count more first."""
    if environment.get("UV_NO_CONFIG"):
        return
    if named := environment.get("UV_CONFIG_FILE"):
        yield _toml(Path(named))
        return
    if (folder / "uv.toml").is_file():
        yield _toml(folder / "uv.toml")
    else:
        yield _toml(folder / "pyproject.toml").get("tool", {}).get("uv", {})
    yield _toml(Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "uv", "uv.toml"))
    yield _toml(Path("/etc/uv/uv.toml"))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # uv itself says what is wrong with it


def _pip(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What pip's files and variables say; later ones count more."""
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    if sys.platform == "darwin" and (home / "Library" / "Application Support" / "pip").is_dir():
        config = home / "Library" / "Application Support"
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    named = environment.get("PIP_CONFIG_FILE")
    files = [] if named == os.devnull else [*files, *([Path(named)] if named else [])]
    told: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, ValueError):
            continue  # pip itself says what is wrong with it
        for section in ("global", "install"):
            if parser.has_section(section):
                told |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    for name in ("index-url", "extra-index-url", "trusted-host", "cert"):
        if value := environment.get(f"PIP_{name.upper().replace('-', '_')}"):
            told[name] = value
    return told


def _unnamed(text: str, environment: Mapping[str, str]) -> str:
    """The address of `NAME=ADDRESS`, which uv allows, with that name's login."""
    name, sign, url = text.partition("=")
    if sign and re.fullmatch(r"[A-Za-z0-9._-]+", name):
        return _with_named_login(name, url, environment)
    return text


def _with_named_login(name: str, url: str, environment: Mapping[str, str]) -> str:
    mark = re.sub(r"[^A-Za-z0-9]", "_", name).upper()
    user, password = (environment.get(f"UV_INDEX_{mark}_{what}", "") for what in ("USERNAME", "PASSWORD"))
    return _joined(url, user, password) if name and (user or password) else url


def _with_login(url: str, passwords: netrc.netrc | None) -> str:
    host = urlsplit(url).hostname if url else None
    found = passwords.hosts.get(host) if passwords and host else None
    return _joined(url, found[0], found[2] or "") if found else url


def _joined(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return url
    return urlunsplit(
        parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}")
    )


def _netrc(home: Path, environment: Mapping[str, str]) -> netrc.netrc | None:
    try:
        return netrc.netrc(environment.get("NETRC") or home / ".netrc")
    except (OSError, netrc.NetrcParseError):
        return None


def _is_remote(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


def _certificates(environment: Mapping[str, str], of_pip: str) -> bytes:
    for path in (environment.get("SSL_CERT_FILE"), of_pip, environment.get("REQUESTS_CA_BUNDLE")):
        if not path:
            continue
        try:
            content = Path(path).read_bytes()
        except OSError:
            continue
        if b"-----BEGIN CERTIFICATE-----" in content and len(content) <= _MOST_CERTIFICATES:
            return content
    return b""
