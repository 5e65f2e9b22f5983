"""A registry of images: is one there, and deleting it.

Building and pushing is the engine's work. This only asks, with the login that the engine has stored.
"""

from __future__ import annotations

from .image_name import Image
from .registry_http import RegistryError, ask, not_a_registry


def digest_of(name: str) -> str:
    """The digest under which a registry has an image, empty if it does not have it.

    Args:
        name: `REGISTRY/REPOSITORY:TAG`.

    Raises:
        RegistryError: It cannot be told.
    """
    image = Image.parse(name)
    told = ask(image, "HEAD", image.tag)
    if told is None:
        return ""
    digest = str(told.get("Docker-Content-Digest", ""))
    if not digest and not told.get_content_type().endswith("json"):
        raise not_a_registry(image)  # a page, say, that is there for every address
    return digest or image.tag


def delete(name: str) -> bool:
    """Deletes an image; one that is not there is fine.

    Returns:
        Whether it was there.

    Raises:
        RegistryError: The registry does not do that.
    """
    image = Image.parse(name)
    digest = digest_of(name)
    if not digest:
        return False
    if keeps(name):
        raise _kept(image)
    try:
        told = ask(image, "DELETE", digest)
    except RegistryError as error:
        raise _kept(image, f" (HTTP {error.code})") if error.code else error from None
    if told is None and digest_of(name):
        raise _kept(image, " (HTTP 404)")  # which is about the request, then, and not about the image
    return told is not None


def keeps(name: str) -> bool:
    """Whether an image is in a registry that is known to delete none on request: Docker Hub."""
    return Image.parse(name).is_on_docker_hub


def _kept(image: Image, why: str = "") -> RegistryError:
    return RegistryError(
        f"The registry {image.registry} does not delete images on request{why}; "
        "delete it on the registry's own page."
    )
