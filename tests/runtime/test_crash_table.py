"""Whoever dies just before or after a message, the page about it says what becomes of the work (R4 to R8, R10).

The table is docs/explanation/crash-table.md itself: its cells are the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, get_args

import pytest
from kubefuture.protocol import blob_messages, messages, named_messages
from kubefuture.protocol.messages import AnyMessage

from tests.runtime.fakes import RUNS
from tests.runtime.stories import STORIES, Fault, Hop
from tests.runtime.test_simulation import finish
from tests.runtime.virtual import virtual_time  # noqa: F401

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "crash-table.md"
NOT_HERE = {"Refused", "Ready"}
"""Nothing is under way, or who says it dies with who hears it."""

pytestmark = pytest.mark.filterwarnings("ignore:.*without a seed")


class Row(NamedTuple):
    """One of the table."""

    message: str
    sender: str
    receiver: str
    sender_dies: str
    receiver_dies: str
    link_breaks: str
    because: str


def rows() -> list[Row]:
    """The table of the page."""
    lines = [
        line.strip("| \n").split(" | ")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line[:2] == "| "
    ]
    return [Row(*cells) for cells in lines[1:]]


TABLE = {row.message: row for row in rows()}


def kinds_of(module: ModuleType) -> set[str]:
    """The messages of one module."""
    return {
        name
        for name in dir(messages)
        if getattr(getattr(module, name, None), "__module__", "") == module.__name__
    }


OF_DATA = kinds_of(blob_messages)
"""Messages about captured data."""

KEPT = {"KeepBlob", "BlobKept", "BlobRefused"}
"""Those of them about the data of named maps."""

NAMED = kinds_of(named_messages) | KEPT
"""Messages about named maps."""

ALSO_NAMED = {"Ack", "Bye", "Cancel", "Done", "Elements", "Function", "Raised", "Release", "Resumed", "Run"}
"""Those that named maps need, too."""


def told_in(message: str) -> Iterator[str]:
    """The stories in which a message matters."""
    if message in OF_DATA:
        yield from () if message in KEPT else ("data",)
        yield from ("named data, committed early", "named data, committed late")
    elif message in NAMED:
        yield from ("named, committed early", "named, committed late")
    else:
        yield "work"
        if message in ALSO_NAMED:
            yield "named, committed late"


TOLD = [(message, story) for message in TABLE for story in told_in(message)]

CELLS = [
    (message, fault, moment, story)
    for message, story in TOLD
    for fault in ("sender_dies", "receiver_dies", "link_breaks")
    for moment in ("before", "after")
]


@cache
def occurrences(message: str, story: str) -> tuple[tuple[Hop, int], ...]:
    """Which ones of a message are tried: the first two and the last, of each way that it goes."""
    fault = Fault(message)
    STORIES[story](fault)
    return tuple(
        (hop, at) for hop, seen in fault.seen.items() for at in sorted({0, min(1, seen - 1), seen - 1})
    )


def test_the_page_lists_every_message() -> None:
    said = {kind.__name__ for kind in get_args(AnyMessage)}
    assert set(TABLE) == said - NOT_HERE


@pytest.mark.parametrize(("message", "story"), TOLD)
def test_the_stories_have_every_message(message: str, story: str) -> None:
    assert occurrences(message, story)


@pytest.mark.parametrize(("message", "kind", "moment", "story"), CELLS)
def test_R5_R6_R7_R8_the_table_is_true(message: str, kind: str, moment: str, story: str) -> None:
    for hop, occurrence in occurrences(message, story):
        fault = Fault(message, kind, moment, hop, occurrence)
        world = STORIES[story](fault)
        assert fault.struck
        claim = getattr(TABLE[message], kind)
        client = "stays" if message in NAMED else "cancelled"
        words = {"": "goes on", "scheduler": "goes on", "client": client, "worker": "again"}
        word = words[fault.dead]
        assert word in claim or (claim == "by who dies" and fault.dead)
        finish(world)
        assert story != "work" or world.wanted == 3 or fault.dead == "client", "an order to scale is not lost"
        if word != "again":
            twice = [
                element
                for element, runs in RUNS.items()
                if runs > 1 and element[1].startswith(("ok", "raise"))
            ]
            assert not set(twice) - set(world.cancelled), "nothing is run twice"
