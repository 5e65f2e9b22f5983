"""Am I inside an element? Then our API runs in place, and nested maps draw from the element's seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .rng import Root


@dataclass
class Element:
    """The element that runs.

    Attributes:
        root: Where its random numbers come from, None without a seed.
        calls: Numbers the calls of our API that it makes, for their keys (R24).
    """

    root: Root | None = None
    calls: Iterator[int] = field(default_factory=count)


_current: ContextVar[Element | None] = ContextVar("kubefuture_element", default=None)
_slot_element: Element | None = None


def current_element() -> Element | None:
    """The element that this code is part of, or None in the user's own program."""
    return _current.get() or _slot_element


def enter_slot_element(element: Element | None) -> None:
    """Says that this whole process is inside an element: also threads that the element starts. None: no more."""
    global _slot_element
    _slot_element = element


@contextmanager
def inside(element: Element) -> Iterator[None]:
    """Runs a block as part of an element, for the sequential plan."""
    token = _current.set(element)
    try:
        yield
    finally:
        _current.reset(token)
