"""States that change only as a table says; the documentation draws its diagrams from these tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

Stage = TypeVar("Stage", bound=Enum)


class TransitionError(AssertionError):
    """A state changed as no rule allows: a mistake of ours."""


def checked(old: Stage, new: Stage, table: Mapping[tuple[Stage, Stage], str]) -> Stage:
    """The new state, if the table allows it after the old one.

    Args:
        old: Where something is.
        new: Where it goes.
        table: What may follow what, and when it does.

    Raises:
        TransitionError: The table does not have it.
    """
    if (old, new) not in table:
        raise TransitionError(f"{type(old).__name__}: {old.value} cannot become {new.value}")
    return new
