"""Lines of the log that programs can read: `EVENT key=value key="value with spaces" …`, after the time.

line("element-struck", map="a/1", element=3)  ──>  element-struck map=a/1 element=3  ──> parse
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

Value = str | int | float | None
"""None leaves a field out."""

_PLAIN = re.compile(r"[^\s\"=\\]+")
_FIELD = re.compile(r" ([a-z_]+)=(\"(?:[^\"\\]|\\.)*\"|[^\s\"]+)")
_NAME = re.compile(r"[a-z]+(-[a-z]+)*(?= |$)")


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        name: What, as words with hyphens.
        fields: To whom and how, in the order in which it is told.
    """

    name: str
    fields: Mapping[str, Value]


def line(name: str, /, **fields: Value) -> str:
    """An event as text, on one line whatever is in it."""
    told = (f"{key}={_text(value)}" for key, value in fields.items() if value is not None)
    return " ".join([name, *told])


def parse(text: str) -> Event | None:
    """The event in a line without its time, or None if it is something else, as what slots print."""
    name = _NAME.match(text)
    if name is None:
        return None
    fields: dict[str, Value] = {}
    place = name.end()
    while place < len(text):
        found = _FIELD.match(text, place)
        if found is None:
            return None
        fields[found[1]] = _value(found[2])
        place = found.end()
    return Event(name[0], fields)


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _value(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text
