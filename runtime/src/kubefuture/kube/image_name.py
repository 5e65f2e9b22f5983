"""An image's name: which registry it is in, and where that is asked."""

from __future__ import annotations

from dataclasses import dataclass

from .engine import is_local

_HUB = "registry-1.docker.io"
"""Where Docker Hub speaks the protocol of registries. Its other names are shorter, or for logins."""

_OF_HUB = ("docker.io", "index.docker.io", "registry.hub.docker.com", _HUB)


@dataclass(frozen=True)
class Image:
    """An image's name, taken apart.

    Attributes:
        registry: The host, perhaps with a port, as the user calls it.
        repository: The path in it.
        tag: The version.
    """

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, name: str) -> Image:
        """Takes `REGISTRY/REPOSITORY:TAG` apart."""
        place, _, tag = name.rpartition(":")
        registry, _, repository = place.partition("/")
        if registry.lower() in _OF_HUB and "/" not in repository:
            repository = f"library/{repository}"  # which engines add as well
        return cls(registry, repository, tag)

    @property
    def is_on_docker_hub(self) -> bool:
        """Whether its registry is Docker Hub, by any of its names."""
        return self.registry.lower() in _OF_HUB

    @property
    def url(self) -> str:
        """Where its registry speaks the protocol."""
        scheme = "http" if is_local(self.registry) else "https"
        return f"{scheme}://{_HUB if self.is_on_docker_hub else self.registry}/v2/"
