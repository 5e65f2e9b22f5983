"""The code blocks of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]*)")?\n(?P<text>.*?)^```$', re.M | re.S)
_PRINT = re.compile(r"^\s*print\(.*\)  # (?P<expected>.+)$", re.M)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: What stands after the fence.
        title: Its title, or an empty string.
        text: What is in it.
        place: File and line, for messages.
    """

    language: str
    title: str
    text: str
    place: str


def blocks(page: Path) -> list[Block]:
    """All blocks of a page that name a language, in order."""
    content = page.read_text(encoding="utf-8")
    return [
        Block(
            language=found["language"],
            title=found["title"] or "",
            text=found["text"],
            place=f"{page.relative_to(ROOT)}, line {content.count(chr(10), 0, found.start()) + 1}",
        )
        for found in _BLOCK.finditer(content)
    ]


def expected_prints(script: str) -> list[str]:
    """What a script says that it prints: the comment behind each print."""
    return [found["expected"] for found in _PRINT.finditer(script)]
