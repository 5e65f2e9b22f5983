"""A function, as the scheduler sees it: how long do its elements take?"""

from __future__ import annotations

from collections.abc import Container

from ..protocol.messages import Function


class FunctionState:
    """A session's function, and what has been measured of it.

    Attributes:
        mean: Seconds an element takes, a moving average; 0 while nothing is known.
    """

    __slots__ = ("calls", "mean", "message", "released")

    def __init__(self, message: Function) -> None:
        self.message = message
        self.mean = 0.0
        self.calls = 0
        self.released = False

    def refers_to(self, digests: Container[bytes]) -> bool:
        """Whether it refers to one of these blobs."""
        return any(blob.digest in digests for blob in self.message.blobs)

    def measured(self, seconds: float, elements: int) -> None:
        """Takes a measurement of `elements` that took `seconds` together."""
        latest = seconds / elements
        weight = 0.3 if elements == 1 else 0.5
        self.mean = latest if self.mean == 0.0 else self.mean + weight * (latest - self.mean)
