"""Which Kubernetes a cluster is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ..project.errors import ProjectError
from .commands import kubectl
from .place import Place

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class ServerVersion:
    """It.

    Attributes:
        text: As the API server says it, such as `1.29.3-gke.100`.
        numbers: The three of them, without what a vendor adds.
    """

    text: str
    numbers: tuple[int, int, int]

    @property
    def plain(self) -> str:
        """The numbers alone, as Helm takes them."""
        return ".".join(map(str, self.numbers))


def server_version(place: Place) -> ServerVersion:
    """Asks the API server.

    Raises:
        KubeError: It does not answer.
        ProjectError: What it says is no version.
    """
    told = json.loads(kubectl(place, "version", "--output", "json", namespaced=False))["serverVersion"]
    text = str(told["gitVersion"]).removeprefix("v")
    found = _NUMBERS.match(text)
    if found is None:
        raise ProjectError(
            f"The cluster of context {place.context} says that it is Kubernetes {text!r}, which is no version. Ask who "
            "runs it."
        )
    return ServerVersion(text, (int(found[1]), int(found[2]), int(found[3] or 0)))
