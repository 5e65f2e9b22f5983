"""What was looked at after `make down`, and what was found: nothing left, something, or what cannot be told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Proof:
    """What was looked at, and what was found.

    Attributes:
        looked: What was looked at, in words.
        left: What is left, in words.
        unchecked: What could not be looked at, and why.
    """

    looked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The proof as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """The proof in such a text."""
        return cls(**json.loads(text))
