"""Asks a registry about a manifest over HTTP, as engines do. The protocol: OCI distribution specification 1.1.

GET /v2/: 200, or 401 with what it wants ─> a token from its token service, if it wants one ─> HEAD or DELETE
"""

from __future__ import annotations

import json
import re
import ssl
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..project.errors import ProjectError
from .image_name import Image
from .registry_login import Login, stored_login

_SECONDS = 10.0
_KINDS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_VERSION = "Docker-Distribution-Api-Version"
"""A header that says that a registry answers; many have it, and none needs to."""

_BEARER = re.compile(r"\bbearer\s", re.IGNORECASE)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TOKEN = re.compile(r"[!-~]+")
_FAILURES = (OSError, HTTPException, ValueError, OverflowError)
"""What comes of a host that is not there, of an answer that is not HTTP's, and of an address that is none."""


class RegistryError(ProjectError):
    """It cannot be told what a registry has, or cannot be changed.

    Attributes:
        code: HTTP's, if the registry answered the question with one; otherwise 0.
        is_unreachable: Nobody is there, or nobody who speaks as registries do: a push would fail, too.
    """

    def __init__(self, message: str, *, code: int = 0, is_unreachable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_unreachable = is_unreachable


def ask(image: Image, method: str, reference: str) -> Message | None:
    """Asks about a manifest, with the login that an engine has stored.

    Args:
        image: The image.
        method: HEAD or DELETE.
        reference: Its tag or digest.

    Returns:
        The answer's headers; None if the registry says that it does not have it.

    Raises:
        RegistryError: It does not say.
    """
    try:
        code, told = _answer(Request(image.url))
        is_registry = code == 401 or (code == 200 and told.get_content_type() != "text/html")
        code, told = _asked(image, method, reference, told)
    except _FAILURES as error:
        raise _failed(image, error) from None
    if code < 300:
        return told
    if code != 404:
        raise RegistryError(_refused(image, code), code=code)
    if is_registry or _VERSION in told:
        return None
    raise not_a_registry(image)


def not_a_registry(image: Image) -> RegistryError:
    """Says that what answers is something else."""
    return RegistryError(
        f"What answers at {image.registry} is no registry. See whether cluster.registry in values.yaml is right, "
        "and whether a login page is in the way.",
        is_unreachable=True,
    )


def _asked(image: Image, method: str, reference: str, greeting: Message) -> tuple[int, Message]:
    """Asks with what the greeting wants, and once more if a repository wants a token that the registry does not."""
    login = stored_login(image)
    challenge = _challenge(greeting)
    if challenge is None:
        authorization = f"Basic {login.basic}" if login.basic else ""
        code, told = _answer(_question(image, method, reference, authorization))
        challenge = _challenge(told)
        if code != 401 or challenge is None:
            return code, told
    token = _token(challenge, image, method, login)
    return _answer(_question(image, method, reference, f"Bearer {token}"))


def _question(image: Image, method: str, reference: str, authorization: str) -> Request:
    request = Request(f"{image.url}{image.repository}/manifests/{reference}", method=method)
    request.add_header("Accept", _KINDS)
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    return request


def _challenge(told: Message) -> dict[str, str] | None:
    """Which token is wanted, if any is."""
    for wanted in told.get_all("WWW-Authenticate", []):
        if _BEARER.search(wanted):
            return dict(_CHALLENGE.findall(wanted))
    return None


def _token(challenge: dict[str, str], image: Image, method: str, login: Login) -> str:
    """What the registry's own token service gives for a login, or for none."""
    right = "pull" if method == "HEAD" else "pull,push,delete"
    query = {"scope": f"repository:{image.repository}:{right}"}
    if "service" in challenge:
        query["service"] = challenge["service"]
    realm = challenge.get("realm", "")
    if not realm.startswith(("https://", "http://")):
        raise RegistryError(
            f"The registry {image.registry} names no token service ({realm!r}). Ask who runs it."
        )
    if login.refresh:
        query |= {"grant_type": "refresh_token", "client_id": "kubefuture", "refresh_token": login.refresh}
        request = Request(realm, urlencode(query).encode())
    else:
        request = Request(f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}")
        if login.basic:
            request.add_unredirected_header("Authorization", f"Basic {login.basic}")
    try:
        with build_opener(_Within).open(request, timeout=_SECONDS) as answer:
            content = json.loads(answer.read())
        token = isinstance(content, dict) and (content.get("token") or content.get("access_token"))
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ValueError("its answer holds none")
        return token
    except HTTPError as error:
        error.close()
        raise RegistryError(
            f"The token service of the registry {image.registry} gives no token (HTTP {error.code}). The login that "
            f"is stored may be old or not yours to use: log in again, as with docker login {image.registry}."
        ) from None
    except _FAILURES as error:
        raise RegistryError(
            f"The token service of the registry {image.registry} gives no token ({_reason(error)}). See whether "
            f"this machine's network leads to {urlsplit(realm).netloc}."
        ) from None


def _answer(request: Request) -> tuple[int, Message]:
    """HTTP's code, whichever it is, and the headers."""
    try:
        with build_opener(_Within).open(request, timeout=_SECONDS) as answer:
            return answer.status, answer.headers
    except HTTPError as error:
        error.close()
        return error.code, error.headers


class _Within(HTTPRedirectHandler):
    """Follows with method and login, but to no other host: what that says, the registry has not said."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request:
        was, now = _place(req.full_url), _place(newurl)
        if now not in (was, ("https", was[1], 443)):
            raise RegistryError(
                f"{urlsplit(req.full_url).netloc} sends on to another host ({now[1]}), which is not asked, so it "
                "cannot be told what the registry has. See whether cluster.registry in values.yaml is right, and "
                "whether a login page is in the way."
            )
        following = Request(newurl, req.data, req.headers, method=req.get_method())
        if login := req.get_header("Authorization"):
            following.add_unredirected_header("Authorization", login)
        return following


def _place(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _refused(image: Image, code: int) -> str:
    if code in (401, 403):
        return (
            f"The registry {image.registry} does not let you look at {image.repository} (HTTP {code}): it may not be "
            f"there yet, or you have to log in, as with docker login {image.registry}."
        )
    return f"The registry {image.registry} answers with HTTP {code}. Try again later, or ask who runs it."


def _failed(image: Image, error: BaseException) -> RegistryError:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ssl.SSLError):
        return RegistryError(
            f"No connection with TLS to the registry {image.registry} comes about ({_reason(error)}): this machine "
            "may not know who signed its certificate (SSL_CERT_FILE names a file that does), or it does without TLS."
        )
    if isinstance(cause, ConnectionResetError | HTTPException):
        return RegistryError(
            f"The registry {image.registry} does not answer as HTTP does ({_reason(error)}). See whether "
            "cluster.registry in values.yaml names the right port."
        )
    return RegistryError(
        f"The registry {image.registry} cannot be reached ({_reason(error)}). See whether cluster.registry in "
        "values.yaml is right and this machine's network leads there.",
        is_unreachable=True,
    )


def _reason(error: BaseException) -> str:
    """The shortest words for it."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ssl.SSLError):
        return str(getattr(cause, "verify_message", "") or cause.reason or cause)
    words = str((cause.strerror if isinstance(cause, OSError) else "") or cause)
    return "".join(letter for letter in words if letter.isprintable())[:200]
